// What the pipeline does when the store fails at each of its calls, before and after they took
// effect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "server/issue/pipeline.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

struct Fault {
  std::string call;
  bool after = false;  // the call took effect and its answer was lost
  Reason reason = Reason::STORE_UNAVAILABLE;
};

class PipelineFaultTest : public testing::TestWithParam<Fault> {
 protected:
  // The fault strikes the next `times` calls of its name.
  void Strike(int times) {
    const Fault fault = GetParam();
    left_ = times;
    const auto strike = [this, fault](std::string_view call) {
      if (call != fault.call || left_.fetch_sub(1) <= 0) return absl::OkStatus();
      return Refuse(fault.reason, "struck by the test");
    };
    (fault.after ? shop.store->after_call : shop.store->before_call) = strike;
  }

  Workshop shop;
  std::atomic<int> left_{0};
};

TEST_P(PipelineFaultTest, HealsWithOneIdentityATicketAndNoQuotaLost) {
  constexpr int kTickets = 12;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), kTickets).ok());
  shop.Start();
  Strike(2);
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < kTickets; ++i)
    requests.push_back(Workshop::Request("lot", "t-" + std::to_string(i)));
  for (const Outcome& outcome : shop.IssueAll(requests)) {
    EXPECT_TRUE(outcome.ok() || HasReason(outcome.status(), GetParam().reason)) << outcome.status();
  }
  // The line asks again, as its retry hint says, until every ticket has its identity.
  for (int round = 0; round < 5; ++round) shop.IssueAll(requests);
  for (const Outcome& outcome : shop.IssueAll(requests)) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(outcome->sealed_before());
  }
  EXPECT_EQ(shop.LotNow("lot").sealed(), static_cast<uint64_t>(kTickets));
  EXPECT_EQ(shop.LotNow("lot").claimed(), static_cast<uint64_t>(kTickets));
}

INSTANTIATE_TEST_SUITE_P(AtEachCall, PipelineFaultTest,
                         testing::Values(Fault{"FindTickets", false}, Fault{"RecordIntents", false},
                                         Fault{"RecordIntents", true, Reason::STORE_IN_DOUBT},
                                         Fault{"SealTickets", false},
                                         Fault{"SealTickets", true, Reason::STORE_IN_DOUBT},
                                         Fault{"VoidAttempts", false}),
                         [](const auto& info) {
                           return info.param.call + (info.param.after ? "AnswerLost" : "Refused");
                         });

// Found by the simulation: the line went to another replica, for which the ticket was in flight as
// long as this one lived.
TEST(PipelineDoubt, AnIntentThatNobodyHeardOfIsVoidedThoughTheTicketDoesNotComeAgain) {
  Workshop shop;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  shop.Start();
  std::atomic<bool> in_doubt{false}, away{true};
  shop.store->after_call = [&](std::string_view call) {
    if (call != "RecordIntents" || in_doubt.exchange(true)) return absl::OkStatus();
    return Refuse(Reason::STORE_IN_DOUBT, "struck by the test");
  };
  shop.store->before_call = [&](std::string_view call) {
    if (call != "FindTickets" || !in_doubt || !away) return absl::OkStatus();
    return Refuse(Reason::STORE_UNAVAILABLE, "struck by the test");
  };
  const Outcome lost = shop.Issue(Workshop::Request("lot", "t-1"));
  EXPECT_TRUE(HasReason(lost.status(), Reason::STORE_UNAVAILABLE)) << lost.status();
  EXPECT_EQ(shop.store->FindLot("lot")->claimed, 1u);
  away = false;
  while (shop.store->FindLot("lot")->claimed != 0) {
    shop.pipeline->VoidOrphans();
    std::this_thread::yield();
  }
  // Another unit may have the place.
  EXPECT_TRUE(shop.Issue(Workshop::Request("lot", "t-2")).ok());
}

TEST(PipelineDeath, AnUnsealedAttemptOfADeadProcessIsVoidedAndTheTicketIssuedAnew) {
  Workshop shop;
  const auto lot = shop.Open("lot", shop.Light(), 1);
  ASSERT_TRUE(lot.ok()) << lot.status();
  db::Intent intent;
  intent.lot_id = shop.store->FindLot("lot")->id;
  intent.ticket = "t-1";
  intent.line = "line-1";
  intent.device_id = "the-dead-one";
  intent.serial_number = "SN-dead";
  intent.dac_serial = {1, 2, 3};
  ASSERT_TRUE(shop.store->RecordIntents(std::span(&intent, 1), "dead-instance").front().ok());

  // The request of the dead process is the same one; its digest was keyed, so the test takes the
  // conflict's way.
  intent.ticket = "t-2";
  const auto outcome = shop.Issue(Workshop::Request("lot", "t-2"));
  EXPECT_TRUE(HasReason(outcome.status(), Reason::QUOTA_EXCEEDED)) << outcome.status();
  ASSERT_TRUE(shop.store->VoidDeadAttempts().ok());
  const auto issued = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_NE(issued->identity().device_id(), "the-dead-one");
}

// A call into a database that is away takes its whole time: ten tickets must not take it ten times.
TEST(PipelineOutage, ABatchAsksADatabaseThatIsAwayOnce) {
  constexpr int kLots = 10;
  Workshop shop;
  shop.pipeline_options.store_threads = 1;
  for (int i = 0; i < kLots; ++i) {
    ASSERT_TRUE(shop.Open("lot" + std::to_string(i), shop.Light(), 1).ok());
  }
  shop.Start();
  std::atomic<int> looks{0}, submitted{0};
  shop.store->before_call = [&](std::string_view call) {
    if (call != "FindLot") return absl::OkStatus();
    // The first batch is at least the first ticket; the second is all that came meanwhile.
    if (looks++ == 0) {
      while (submitted < kLots) std::this_thread::yield();
    }
    return Refuse(Reason::STORE_UNAVAILABLE, "the database does not answer");
  };
  std::atomic<int> refused{0};
  for (int i = 0; i < kLots; ++i) {
    shop.pipeline->Submit(shop.line_caller, Workshop::Request("lot" + std::to_string(i), "t"),
                          Deadline::In(std::chrono::minutes(1)), [&](const Outcome& outcome) {
                            EXPECT_TRUE(HasReason(outcome.status(), Reason::STORE_UNAVAILABLE));
                            ++refused;
                          });
    ++submitted;
  }
  shop.pipeline.reset();  // ends when all are answered
  EXPECT_EQ(refused, kLots);
  EXPECT_LE(looks, 2);
}

TEST(PipelineOutage, TheQuotaOfALostAttemptComesBackThoughNoOtherTicketComes) {
  Workshop shop;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  shop.Start();
  shop.token->SetBeforeCall([](std::string_view call, std::string_view) {
    return call == "Sign" ? Refuse(Reason::HSM_UNAVAILABLE, "the token is gone") : absl::OkStatus();
  });
  std::atomic<bool> away{true};
  shop.store->before_call = [&](std::string_view call) {
    return call == "VoidAttempts" && away ? Refuse(Reason::STORE_UNAVAILABLE, "away")
                                          : absl::OkStatus();
  };
  EXPECT_FALSE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
  EXPECT_EQ(shop.LotNow("lot").claimed(), 1u);
  away = false;
  while (shop.LotNow("lot").claimed() > 0) {
    shop.pipeline->VoidOrphans();
    std::this_thread::yield();
  }
}

TEST(PipelineOutage, ConfirmingOnAFreshReplicaNeedsNoToken) {
  Workshop shop;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  ASSERT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
  shop.pipeline.reset();
  shop.token->SetBeforeCall([](std::string_view, std::string_view) {
    return Refuse(Reason::HSM_UNAVAILABLE, "the token is gone");
  });
  v1::ConfirmRequest confirm;
  confirm.set_lot("lot");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  absl::Status status = absl::UnknownError("no answer");
  shop.Start().Confirm(shop.line_caller, confirm, Deadline::In(std::chrono::minutes(1)),
                       [&](const auto& answer) { status = answer.status(); });
  shop.pipeline.reset();  // ends when all are answered
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace assay::issue
