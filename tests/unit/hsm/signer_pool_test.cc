#include "hsm/signer_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "tests/support/software_token.h"

namespace assay::hsm {
namespace {

using std::chrono::milliseconds;
using test_support::SoftwareToken;

constexpr int kNever = 3600 * 1000;

// Holds calls of Sign inside the token until it is opened.
class Dam {
 public:
  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --inside_;
    return absl::OkStatus();
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitInside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
};

class SignerPoolTest : public testing::Test {
 protected:
  SignerPoolTest() : key_(*token_->GenerateKey("pai", KeyPurpose::kSigning)) {}

  static Deadline Far() { return Deadline::In(std::chrono::minutes(5)); }
  void HoldSigning(Dam& dam) {
    token_->SetBeforeCall([&dam](std::string_view call, std::string_view) {
      return call == "Sign" ? dam.Wait() : absl::OkStatus();
    });
  }
  void FailSigning(Reason reason) {
    token_->SetBeforeCall(
        [reason](std::string_view, std::string_view) { return Refuse(reason, "as told"); });
  }
  void Heal() { token_->SetBeforeCall({}); }
  static void AwaitStuck(const SignerPool& pool, int stuck) {
    while (pool.Counters().stuck != stuck) std::this_thread::yield();
  }

  std::shared_ptr<SoftwareToken> token_ = std::make_shared<SoftwareToken>();
  KeyDescription key_;
  Sha256Digest digest_ = Sha256(AsBytes("tbs"));
};

TEST_F(SignerPoolTest, SignsWhatItIsGiven) {
  SignerPool pool(token_, {.stuck_after_ms = kNever});
  const auto signature = pool.SignAndWait("pai", digest_, Far());
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_TRUE(VerifySignature(*key_.public_point, digest_, *signature));
  EXPECT_EQ(pool.Counters().signed_total, 1u);
}

TEST_F(SignerPoolTest, AnswersEachOfManyCallersOnce) {
  std::atomic<int> answers = 0, good = 0;
  {
    SignerPool pool(token_, {.threads = 3});
    std::vector<std::thread> callers;
    for (int c = 0; c < 4; ++c) {
      callers.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          pool.Sign("pai", digest_, Far(), [&](const auto& signature) {
            ++answers;
            if (signature.ok()) ++good;
          });
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    while (answers < 200) std::this_thread::yield();
  }
  EXPECT_EQ(answers, 200);
  EXPECT_EQ(good, 200);
}

TEST_F(SignerPoolTest, AnswersAtTheDeadlineWhileTheTokenStillWorks) {
  Dam dam;
  HoldSigning(dam);
  SignerPool pool(token_, {.stuck_after_ms = kNever});
  const auto late = pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(20)));
  EXPECT_TRUE(HasReason(late.status(), Reason::HSM_TIMEOUT)) << late.status();
  EXPECT_EQ(pool.Counters().stuck, 0);
  dam.Open();
  EXPECT_TRUE(pool.SignAndWait("pai", digest_, Far()).ok());
  EXPECT_EQ(pool.Counters().timed_out_total, 1u);
}

TEST_F(SignerPoolTest, AnswersThoseWhoseDeadlinePassesInTheQueue) {
  Dam dam;
  HoldSigning(dam);
  SignerPool pool(token_, {.stuck_after_ms = kNever});
  std::promise<absl::StatusOr<RawSignature>> first;
  pool.Sign("pai", digest_, Far(), [&](auto answer) { first.set_value(std::move(answer)); });
  dam.AwaitInside(1);
  const auto queued = pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(5)));
  EXPECT_TRUE(HasReason(queued.status(), Reason::HSM_TIMEOUT));
  EXPECT_EQ(pool.Counters().queued, 0);
  dam.Open();
  EXPECT_TRUE(first.get_future().get().ok());
}

TEST_F(SignerPoolTest, RefusesADeadlineThatHasPassed) {
  SignerPool pool(token_, {.stuck_after_ms = kNever});
  const auto late = pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(-1)));
  EXPECT_TRUE(HasReason(late.status(), Reason::HSM_TIMEOUT));
}

TEST_F(SignerPoolTest, ReplacesAThreadThatHangsAndTakesNoHarmWhenItReturns) {
  Dam dam;
  HoldSigning(dam);
  SignerPool pool(token_, {.threads = 1, .stuck_after_ms = 10});
  while (pool.Counters().stuck == 0) {
    const auto hung = pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(5)));
    EXPECT_TRUE(HasReason(hung.status(), Reason::HSM_TIMEOUT));
  }
  Heal();
  EXPECT_TRUE(pool.SignAndWait("pai", digest_, Far()).ok());
  dam.Open();
  AwaitStuck(pool, 0);
  EXPECT_TRUE(pool.SignAndWait("pai", digest_, Far()).ok());
}

TEST_F(SignerPoolTest, RefusesWhenTooManyCallsHangAndServesAgainWhenOneReturns) {
  Dam dam;
  HoldSigning(dam);
  SignerPool pool(token_, {.threads = 1, .stuck_after_ms = 10, .max_stuck_threads = 2});
  // On a busy machine a deadline may pass before the call is made at all: then another tries.
  while (pool.Counters().stuck < 2) {
    pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(5))).status().IgnoreError();
  }
  const auto refused = pool.SignAndWait("pai", digest_, Far());
  EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_UNAVAILABLE)) << refused.status();
  Heal();
  dam.Open();
  AwaitStuck(pool, 0);
  EXPECT_TRUE(pool.SignAndWait("pai", digest_, Far()).ok());
}

TEST_F(SignerPoolTest, OpensTheBreakerAfterFailuresInARowAndClosesItByAProbe) {
  SignerPool pool(token_, {.breaker_failures = 3, .breaker_probe_ms = 1});
  FailSigning(Reason::HSM_UNAVAILABLE);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(pool.SignAndWait("pai", digest_, Far()).ok());
  }
  EXPECT_TRUE(pool.Counters().breaker_open);
  Heal();
  while (!pool.SignAndWait("pai", digest_, Far()).ok()) std::this_thread::yield();
  EXPECT_FALSE(pool.Counters().breaker_open);
}

TEST_F(SignerPoolTest, TellsWhenToTryAgainWhileTheBreakerIsOpenAndSparesTheToken) {
  std::atomic<int> calls = 0;
  token_->SetBeforeCall([&](std::string_view, std::string_view) {
    ++calls;
    return Refuse(Reason::HSM_UNAVAILABLE, "C_Sign: CKR_DEVICE_ERROR (0x30)");
  });
  SignerPool pool(token_, {.breaker_failures = 2, .breaker_probe_ms = 3600 * 1000});
  for (int i = 0; i < 5; ++i) pool.SignAndWait("pai", digest_, Far()).status().IgnoreError();
  EXPECT_EQ(calls, 2);
  const auto refusal = RefusalOf(pool.SignAndWait("pai", digest_, Far()).status());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::HSM_UNAVAILABLE);
  ASSERT_TRUE(refusal->retry_after);
  EXPECT_GT(*refusal->retry_after, std::chrono::minutes(1));
  EXPECT_EQ(pool.Counters().refused_total, 4u);
}

TEST_F(SignerPoolTest, DoesNotOpenTheBreakerForAKeyThatIsMissing) {
  SignerPool pool(token_, {.breaker_failures = 2});
  for (int i = 0; i < 6; ++i) {
    const auto missing = pool.SignAndWait("nobody", digest_, Far());
    EXPECT_TRUE(HasReason(missing.status(), Reason::HSM_KEY_MISSING));
  }
  EXPECT_FALSE(pool.Counters().breaker_open);
  EXPECT_EQ(pool.Counters().failed_total, 6u);
}

TEST_F(SignerPoolTest, RefusesMoreThanItsQueueHolds) {
  Dam dam;
  HoldSigning(dam);
  SignerPool pool(token_, {.threads = 1, .queue_limit = 2, .stuck_after_ms = kNever});
  std::atomic<int> answers = 0;
  const auto count = [&](const auto&) { ++answers; };
  pool.Sign("pai", digest_, Far(), count);
  dam.AwaitInside(1);
  pool.Sign("pai", digest_, Far(), count);
  pool.Sign("pai", digest_, Far(), count);
  EXPECT_EQ(pool.Counters().queued, 2);
  EXPECT_TRUE(HasReason(pool.SignAndWait("pai", digest_, Far()).status(), Reason::OVERLOADED));
  dam.Open();
  while (answers < 3) std::this_thread::yield();
}

TEST_F(SignerPoolTest, AnswersWhatWaitsWhenItCloses) {
  Dam dam;
  HoldSigning(dam);
  std::promise<absl::Status> first, second;
  auto pool = std::make_unique<SignerPool>(token_, SignerPoolOptions{.stuck_after_ms = kNever});
  pool->Sign("pai", digest_, Far(), [&](const auto& got) { first.set_value(got.status()); });
  dam.AwaitInside(1);
  pool->Sign("pai", digest_, Far(), [&](const auto& got) { second.set_value(got.status()); });
  std::thread closer([&] { pool.reset(); });
  dam.Open();
  const absl::Status one = first.get_future().get();
  EXPECT_TRUE(one.ok()) << one;
  const absl::Status two = second.get_future().get();
  EXPECT_TRUE(two.ok() || HasReason(two, Reason::DRAINING)) << two;
  closer.join();
}

TEST_F(SignerPoolTest, LeavesACallThatHangsBehindWhenItCloses) {
  auto dam = std::make_shared<Dam>();
  token_->SetBeforeCall([dam](std::string_view, std::string_view) { return dam->Wait(); });
  std::weak_ptr<SoftwareToken> still_used = token_;
  {
    SignerPool pool(token_, {.threads = 1, .stuck_after_ms = 5});
    pool.Sign("pai", digest_, Far(), [](const auto&) {});
    dam->AwaitInside(1);  // or the pool would close before the call began
  }
  token_.reset();
  EXPECT_FALSE(still_used.expired());
  dam->Open();
  while (!still_used.expired()) std::this_thread::yield();
}

}  // namespace
}  // namespace assay::hsm
