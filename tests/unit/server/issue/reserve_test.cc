#include "server/issue/reserve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "matter/passcode.h"
#include "matter/spake2p.h"
#include "tests/unit/server/issue/reference_verifier.h"

namespace assay::issue {
namespace {

constexpr VerifierKind kShort{1000, 16}, kLong{1000, 32}, kSlow{1001, 32};

class PlacedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(seconds); }
  std::atomic<int64_t> seconds{1790000000};
};

// The same numbers in every run.
class ReplayedRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    const std::lock_guard lock(mutex_);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }

 private:
  std::mutex mutex_;
  std::mt19937 engine_{7};
};

bool AllZero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

class ReserveTest : public testing::Test {
 protected:
  Reserve Make(int size) { return Reserve(random_, clock_, Options(size)); }
  static ReserveOptions Options(int size) {
    ReserveOptions options;
    options.size = size;
    options.rest = std::chrono::milliseconds(1);
    return options;
  }
  static void Fill(Reserve& reserve) {
    while (reserve.FillStep()) {
    }
  }
  static int64_t Ready(const Reserve& reserve) { return reserve.Counters().verifiers.ready; }
  // As many as there are, by taking them.
  static int Take(Reserve& reserve, VerifierKind kind) {
    int count = 0;
    while (reserve.TakeVerifier(kind)) ++count;
    return count;
  }
  static void AwaitMade(const Reserve& reserve, int64_t count) {
    while (reserve.Counters().verifiers.made < count) std::this_thread::yield();
  }

  SystemRandom random_;
  PlacedClock clock_;
};

TEST_F(ReserveTest, MakesNothingBeforeSomethingWasAskedFor) {
  Reserve reserve = Make(10);
  EXPECT_FALSE(reserve.FillStep());
  EXPECT_FALSE(reserve.TakeVerifier(kShort));
  EXPECT_TRUE(reserve.FillStep());
  EXPECT_EQ(Ready(reserve), 5);
  EXPECT_EQ(reserve.Counters().keys.made, 0) << "nobody asked for a key";
}

TEST_F(ReserveTest, AVerifierIsOpenSslsOfItsPasscodeAndSalt) {
  Reserve reserve = Make(6);
  for (const VerifierKind kind : {kShort, kSlow}) {
    EXPECT_FALSE(reserve.TakeVerifier(kind));
    Fill(reserve);
    for (int i = 0; i < 3; ++i) {
      const auto ready = reserve.TakeVerifier(kind);
      ASSERT_TRUE(ready);
      EXPECT_EQ(ready->salt.size(), kind.salt_length);
      EXPECT_TRUE(
          matter::CheckPasscode(ready->passcode, "passcode", matter::SdkDefaults::kExcluded).ok());
      EXPECT_EQ(ToBytes(ready->verifier.view()),
                ReferenceVerifier(ready->passcode, ready->salt, kind.iterations));
    }
  }
}

TEST_F(ReserveTest, PasscodesAreTheOnesThatWouldBeDrawnWithoutIt) {
  ReplayedRandom mine, its;
  Reserve reserve(its, clock_, Options(5));
  EXPECT_FALSE(reserve.TakeVerifier(kLong));
  Fill(reserve);
  std::multiset<uint32_t> drawn, given;
  for (int i = 0; i < 5; ++i) {
    drawn.insert(matter::DrawPasscode(mine));
    matter::DrawSalt(mine, kLong.salt_length);
  }
  while (const auto ready = reserve.TakeVerifier(kLong)) given.insert(ready->passcode);
  EXPECT_EQ(given, drawn);
}

TEST_F(ReserveTest, AKeyIsAPairOfTheCurveAndHandedOutOnce) {
  Reserve reserve = Make(20);
  EXPECT_FALSE(reserve.TakeKey());
  Fill(reserve);
  EXPECT_EQ(reserve.Counters().keys.ready, 20);
  std::set<Bytes> scalars;
  while (const auto key = reserve.TakeKey()) {
    const auto point = PointOf(key->scalar);
    ASSERT_TRUE(point.ok()) << point.status();
    EXPECT_EQ(*point, key->point);
    scalars.insert(ToBytes(key->scalar.view()));
  }
  EXPECT_EQ(scalars.size(), 20u);
  const ReserveTally keys = reserve.Counters().keys;
  EXPECT_EQ(keys.ready, 0);
  EXPECT_EQ(keys.made, 20);
  EXPECT_EQ(keys.taken, 20);
  EXPECT_EQ(keys.missed, 2) << "before the first and after the last";
}

TEST_F(ReserveTest, HoldsNoMoreThanItsSizeInMemoryThatNeverGrows) {
  Reserve reserve = Make(7);
  const size_t memory = reserve.verifier_memory().size() + reserve.key_memory().size();
  EXPECT_LE(memory, 7 * Reserve::kBytesAnEntry);
  reserve.TakeKey();
  for (const VerifierKind kind : {kShort, kLong, kSlow}) reserve.TakeVerifier(kind);
  Fill(reserve);
  EXPECT_LE(Ready(reserve), 7);
  EXPECT_EQ(reserve.Counters().keys.ready, 7);
  EXPECT_EQ(reserve.verifier_memory().size() + reserve.key_memory().size(), memory);
}

TEST_F(ReserveTest, EachEntryGoesToOneOfManyThreadsWhileAnotherFills) {
  Reserve reserve = Make(50);
  reserve.TakeVerifier(kShort);
  reserve.TakeKey();
  reserve.Start();
  std::mutex mutex;
  std::multiset<Bytes> verifiers, scalars;
  std::vector<std::thread> takers;
  for (int i = 0; i < 4; ++i) {
    takers.emplace_back([&] {
      while (true) {
        const auto ready = reserve.TakeVerifier(kShort);
        const auto key = reserve.TakeKey();
        const std::lock_guard lock(mutex);
        if (ready) verifiers.insert(ToBytes(ready->verifier.view()));
        if (key) scalars.insert(ToBytes(key->scalar.view()));
        if (verifiers.size() >= 200 && scalars.size() >= 200) return;
      }
    });
  }
  for (std::thread& taker : takers) taker.join();
  reserve.StopFilling();
  EXPECT_EQ(std::set<Bytes>(verifiers.begin(), verifiers.end()).size(), verifiers.size());
  EXPECT_EQ(std::set<Bytes>(scalars.begin(), scalars.end()).size(), scalars.size());
  EXPECT_FALSE(verifiers.contains(Bytes(matter::kVerifierSize, 0)));
  EXPECT_FALSE(scalars.contains(Bytes(32, 0)));
  EXPECT_EQ(reserve.Counters().verifiers.taken, static_cast<int64_t>(verifiers.size()));
  EXPECT_EQ(reserve.Counters().keys.taken, static_cast<int64_t>(scalars.size()));
}

TEST_F(ReserveTest, APlaceIsWipedAsItsEntryIsHandedOut) {
  Reserve reserve = Make(3);
  reserve.TakeVerifier(kShort);
  reserve.TakeKey();
  Fill(reserve);
  EXPECT_FALSE(AllZero(reserve.verifier_memory()));
  EXPECT_FALSE(AllZero(reserve.key_memory()));
  const auto held = [&](ByteView secret) {
    const ByteView all = reserve.verifier_memory();
    return std::search(all.begin(), all.end(), secret.begin(), secret.end()) != all.end();
  };
  const auto ready = reserve.TakeVerifier(kShort);
  ASSERT_TRUE(ready);
  EXPECT_FALSE(held(ready->verifier.view()));
  EXPECT_FALSE(held(ready->salt));
  EXPECT_EQ(Take(reserve, kShort), 2);
  while (reserve.TakeKey()) {
  }
  EXPECT_TRUE(AllZero(reserve.verifier_memory()));
  EXPECT_TRUE(AllZero(reserve.key_memory()));
}

TEST_F(ReserveTest, StoppingWipesWhatIsLeftAndGivesNothingMore) {
  Reserve reserve = Make(10);
  reserve.TakeVerifier(kShort);
  reserve.TakeKey();
  Fill(reserve);
  EXPECT_FALSE(AllZero(reserve.verifier_memory()));
  reserve.Stop();
  EXPECT_TRUE(AllZero(reserve.verifier_memory()));
  EXPECT_TRUE(AllZero(reserve.key_memory()));
  EXPECT_FALSE(reserve.TakeVerifier(kShort));
  EXPECT_FALSE(reserve.TakeKey());
  EXPECT_FALSE(reserve.FillStep());
  EXPECT_TRUE(AllZero(reserve.verifier_memory()));
}

TEST_F(ReserveTest, StopsAndWipesInTheMidstOfFilling) {
  Reserve reserve = Make(100000);
  reserve.TakeVerifier(kShort);
  reserve.Start();
  AwaitMade(reserve, 1);
  reserve.Stop();
  EXPECT_LT(reserve.Counters().verifiers.made, 100000);
  EXPECT_EQ(Ready(reserve), 0);
  EXPECT_TRUE(AllZero(reserve.verifier_memory()));
}

TEST_F(ReserveTest, WhatIsReadyIsStillGivenWhileTheServiceDrains) {
  Reserve reserve = Make(5);
  reserve.TakeVerifier(kShort);
  reserve.Start();
  AwaitMade(reserve, 5);
  reserve.StopFilling();
  int taken = 0;
  while (Ready(reserve) > 0) taken += reserve.TakeVerifier(kShort) ? 1 : 0;
  EXPECT_EQ(taken, 5);
}

TEST_F(ReserveTest, KindsShareTheRoomAndANewOneGetsItsPart) {
  Reserve reserve = Make(12);
  reserve.TakeVerifier(kShort);
  Fill(reserve);
  EXPECT_EQ(Ready(reserve), 12) << "one alone has all of it";
  reserve.TakeVerifier(kLong);
  Fill(reserve);
  EXPECT_EQ(Ready(reserve), 12);
  EXPECT_EQ(Take(reserve, kLong), 6);
  EXPECT_EQ(Take(reserve, kShort), 6);
  EXPECT_TRUE(AllZero(reserve.verifier_memory())) << "what made room was wiped";
}

TEST_F(ReserveTest, OnlyTheKindsAskedForLastAreKept) {
  Reserve reserve = Make(16);
  for (uint32_t i = 0; i < 9; ++i) {
    reserve.TakeVerifier({1000 + i, 16});
    ++clock_.seconds;
    Fill(reserve);
  }
  EXPECT_EQ(Take(reserve, {1000, 16}), 0);
  for (uint32_t i = 1; i < 9; ++i) EXPECT_EQ(Take(reserve, {1000 + i, 16}), 2) << i;
}

TEST_F(ReserveTest, AKindAndKeysThatNobodyAskedForInADayAreWiped) {
  Reserve reserve = Make(6);
  reserve.TakeVerifier(kShort);
  reserve.TakeKey();
  Fill(reserve);
  clock_.seconds += 12 * 3600;
  reserve.TakeVerifier(kLong);
  Fill(reserve);
  EXPECT_EQ(Ready(reserve), 6);
  clock_.seconds += 13 * 3600;
  Fill(reserve);
  EXPECT_EQ(Take(reserve, kShort), 0);
  EXPECT_EQ(Take(reserve, kLong), 6) << "alone now";
  EXPECT_EQ(reserve.Counters().keys.ready, 0);
  EXPECT_TRUE(AllZero(reserve.key_memory()));
}

TEST_F(ReserveTest, NothingIsMadeWhileACallIsUnderWay) {
  Reserve busy = Make(10), idle = Make(200);
  for (Reserve* reserve : {&busy, &idle}) {
    reserve->TakeVerifier(kShort);
    reserve->Began();
    reserve->Start();
  }
  idle.Ended();
  AwaitMade(idle, 200);
  EXPECT_EQ(busy.Counters().verifiers.made, 0);
  busy.Ended();
  AwaitMade(busy, 10);
}

TEST_F(ReserveTest, ACallThatComesStopsTheFillingAfterTheStepUnderWay) {
  Reserve reserve = Make(100000), idle = Make(50);
  reserve.TakeVerifier(kShort);
  reserve.Start();
  AwaitMade(reserve, 1);
  const int64_t before = reserve.Counters().verifiers.made;
  reserve.Began();
  const int64_t then = reserve.Counters().verifiers.made;
  EXPECT_GE(then, before);
  idle.TakeVerifier(kShort);
  idle.Start();
  AwaitMade(idle, 50);
  EXPECT_LE(reserve.Counters().verifiers.made,
            then + static_cast<int64_t>(Reserve::kVerifiersAStep));
  reserve.Ended();
  AwaitMade(reserve, then + 2 * static_cast<int64_t>(Reserve::kVerifiersAStep));
}

}  // namespace
}  // namespace assay::issue
