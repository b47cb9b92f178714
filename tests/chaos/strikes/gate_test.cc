// The link between assayd and PostgreSQL is cut, stalled, slowed, sliced, and closed about COMMIT.
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using std::chrono::microseconds;
using test_support::TcpGate;

struct Strike {
  std::string name;
  std::function<void(Site&)> deal;
  std::function<void(Site&)> relieve = [](Site&) {};
};

Strike At(const std::string& name, const std::string& words, TcpGate::Act act) {
  return {name, [words, act](Site& site) {
            site.gate().When(words, act);
            AwaitThat([&] { return site.gate().Happened(); }, "the moment " + words);
          }};
}

std::vector<Strike> EveryStrike() {
  const auto open = [](Site& site) {
    site.gate().Shape(0, microseconds(0));
    site.gate().Resume();
  };
  std::vector<Strike> strikes = {
      {"every connection cut", [](Site& site) { site.gate().CutAll(); }},
      At("cut before COMMIT", "COMMIT", TcpGate::Act::kCutBefore),
      At("closed when COMMIT was sent", "COMMIT", TcpGate::Act::kCutAfter),
      At("COMMIT's answer lost", "COMMIT", TcpGate::Act::kSwallowReply),
      At("stalled at COMMIT", "COMMIT", TcpGate::Act::kStall),
      {"everything stalled for longer than a call may take",
       [](Site& site) {
         site.gate().Stall();
         SleepFor(Hold() + std::chrono::milliseconds(3000));
       },
       open},
      {"slow: 4 KB each 2 ms",
       [](Site& site) {
         site.gate().Shape(4096, microseconds(2000));
         SleepFor(Hold());
       },
       open},
      {"slow: 1 KB each 20 ms",
       [](Site& site) {
         site.gate().Shape(1024, microseconds(20000));
         SleepFor(Hold());
       },
       open},
      {"sliced into 7 bytes",
       [](Site& site) {
         site.gate().Shape(7, microseconds(0));
         SleepFor(Hold());
       },
       open}};
  return strikes;
}

TEST(DatabaseGate, NoCutStallOrSliceLosesOrDoublesAnIdentity) {
  Site site;
  Shift shift({site.Channel()}, {.lot = kLot});
  const uint32_t seed = std::random_device()();
  std::mt19937 random(seed);
  std::cout << "cuts after a number of bytes: seed " << seed << "\n";
  std::vector<Strike> strikes = EveryStrike();
  // About two batches' worth, so that every kind of statement is met sooner or later.
  for (int i = 0; i < 6; ++i) {
    const auto bytes = static_cast<int64_t>(random() % 60000);
    strikes.push_back({absl::StrCat("cut after ", bytes, " bytes"), [bytes](Site& at) {
                         at.gate().CutAfterBytes(bytes);
                         AwaitThat([&] { return at.gate().Happened(); }, "so many bytes");
                       }});
  }
  ASSERT_TRUE(shift.AwaitEachLine());
  for (int round = 0; round < Rounds(); ++round) {
    for (const Strike& strike : strikes) {
      SCOPED_TRACE(strike.name);
      strike.deal(site);
      site.CountFault();
      strike.relieve(site);
      ASSERT_TRUE(shift.AwaitEachLine());
    }
  }
  site.Judge("DatabaseGate", {&shift});
}

}  // namespace
}  // namespace assay::chaos
