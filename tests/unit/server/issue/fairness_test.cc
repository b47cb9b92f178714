#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "absl/strings/str_cat.h"
#include "server/issue/fair_gate.h"
#include "server/issue/lanes.h"
#include "server/issue/seal_rest.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

using testing::ElementsAre;

// ---- rest after what could not be sealed

TEST(SealRestTest, OneInEachRestTriesUntilOneWasSealed) {
  const SealRest::Time now;
  SealRest rest(std::chrono::seconds(1));
  EXPECT_TRUE(rest.MayTry(now));
  EXPECT_TRUE(rest.MayTry(now));
  rest.Failed(now);
  EXPECT_FALSE(rest.MayTry(now + std::chrono::milliseconds(999)));
  EXPECT_TRUE(rest.MayTry(now + std::chrono::seconds(1)));
  EXPECT_FALSE(rest.MayTry(now + std::chrono::milliseconds(1999))) << "one was let through";
  EXPECT_TRUE(rest.MayTry(now + std::chrono::seconds(2)));
  rest.Sealed();
  EXPECT_TRUE(rest.MayTry(now + std::chrono::seconds(2)));
}

TEST(SealRestTest, WithoutARestEverybodyTries) {
  SealRest rest(std::chrono::seconds(0));
  rest.Failed({});
  EXPECT_TRUE(rest.MayTry({}));
}

// ---- the gate alone

class FairGateTest : public testing::Test {
 protected:
  absl::Status Enter(FairGate& gate, const std::string& line, const std::string& lot = "lot") {
    return gate.Enter(line, lot, true, now_);
  }
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(FairGateTest, AGreedyLineLeavesAPlaceForEachOther) {
  FairGate gate(90);
  int greedy = 0;
  while (Enter(gate, "greedy").ok()) ++greedy;
  EXPECT_EQ(greedy, 60);
  int second = 0;
  while (Enter(gate, "second").ok()) ++second;
  EXPECT_EQ(second, 20);
  EXPECT_TRUE(Enter(gate, "third").ok());
  const absl::Status refused = Enter(gate, "greedy");
  ASSERT_TRUE(HasReason(refused, Reason::OVERLOADED)) << refused;
  EXPECT_TRUE(RefusalOf(refused)->retry_after.has_value());
}

TEST_F(FairGateTest, TheServiceAsAWholeIsFullAtItsLimit) {
  FairGate gate(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Enter(gate, absl::StrCat("line-", i)).ok());
  EXPECT_TRUE(HasReason(Enter(gate, "line-9"), Reason::OVERLOADED));
  gate.Leave("line-0", "lot");
  EXPECT_TRUE(Enter(gate, "line-9").ok());
}

TEST_F(FairGateTest, LinesAndLotsHaveTheirOwnLimits) {
  FairGate gate(100);
  gate.SetLimits({.line_in_flight = 2, .lot_in_flight = 3});
  EXPECT_TRUE(Enter(gate, "a", "x").ok());
  EXPECT_TRUE(Enter(gate, "a", "x").ok());
  const absl::Status line = Enter(gate, "a", "y");
  EXPECT_TRUE(HasReason(line, Reason::RATE_LIMITED)) << line;
  EXPECT_EQ(line.message(),
            "line: has 2 tickets under way, which is limits.line_in_flight (got a)");
  EXPECT_EQ(RefusalOf(line)->value, "a");
  EXPECT_TRUE(Enter(gate, "b", "x").ok());
  const absl::Status lot = Enter(gate, "c", "x");
  ASSERT_TRUE(HasReason(lot, Reason::RATE_LIMITED)) << lot;
  EXPECT_EQ(RefusalOf(lot)->field, "lot");
  EXPECT_EQ(RefusalOf(lot)->value, "x");
  EXPECT_TRUE(Enter(gate, "c", "y").ok());
  gate.Leave("a", "x");
  EXPECT_TRUE(Enter(gate, "a", "y").ok());
}

TEST_F(FairGateTest, ARateIsHeldAndTheRefusalSaysWhenToComeAgain) {
  FairGate gate(1000);
  gate.SetLimits({.line_rate = 10, .line_burst = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Enter(gate, "a").ok());
  const absl::Status refused = Enter(gate, "a");
  ASSERT_TRUE(HasReason(refused, Reason::RATE_LIMITED)) << refused;
  EXPECT_EQ(RefusalOf(refused)->retry_after, std::chrono::milliseconds(100));
  EXPECT_EQ(RefusalOf(refused)->field, "line");
  EXPECT_EQ(RefusalOf(refused)->value, "a");
  EXPECT_THAT(RefusalOf(refused)->rule, testing::HasSubstr("10 tickets a second"));
  EXPECT_TRUE(Enter(gate, "b").ok());
  now_ += absl::Milliseconds(100);
  EXPECT_TRUE(Enter(gate, "a").ok());
  EXPECT_FALSE(Enter(gate, "a").ok());
  // A clock that steps back gives nothing, and takes nothing for long.
  now_ -= absl::Hours(1);
  EXPECT_FALSE(Enter(gate, "a").ok());
  now_ += absl::Milliseconds(100);
  EXPECT_TRUE(Enter(gate, "a").ok());
}

TEST(LanesTest, LanesTakeTurnsAndKeepTheirOwnOrder) {
  Lanes<int> lanes;
  for (int i = 1; i <= 4; ++i) lanes.Push("greedy", i);
  lanes.Push("other", 10);
  lanes.Push("third", 20);
  std::vector<int> order;
  while (!lanes.empty()) order.push_back(lanes.Pop());
  EXPECT_THAT(order, ElementsAre(1, 10, 20, 2, 3, 4));
}

// ---- the pipeline

class FairnessTest : public testing::Test {
 protected:
  access::Caller Line(const std::string& name) {
    access::Caller caller = shop_.line_caller;
    caller.uri = "spiffe://assay.local/line/" + name;
    caller.line = name;
    return caller;
  }
  // Answers in their order, by line; awaits `count` of them.
  void Submit(const access::Caller& caller, const std::string& ticket, Deadline deadline) {
    shop_.Start().Submit(caller, Workshop::Request("lot-1", ticket), deadline,
                         [this, line = caller.line](Outcome outcome) {
                           const std::lock_guard lock(mutex_);
                           answers_.emplace_back(line, outcome.status());
                           answered_.notify_all();
                         });
  }
  void Await(size_t count) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return answers_.size() >= count; });
  }
  size_t PlaceOf(const std::string& line) {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(answers_.begin(), answers_.end(),
                                 [&](const auto& one) { return one.first == line; });
    return static_cast<size_t>(at - answers_.begin());
  }

  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<std::pair<std::string, absl::Status>> answers_;
  Workshop shop_;  // last: its pipeline ends first
};

TEST_F(FairnessTest, ALineWithHundredsInFlightHoldsUpAnotherByNoMoreThanWhatIsBeingWorkedOn) {
  constexpr int kGreedy = 200, kActive = 8;
  shop_.pipeline_options.max_active = kActive;
  ASSERT_TRUE(shop_.Open("lot-1", shop_.Light(), 1000).ok());
  // Nothing moves until all have asked.
  std::mutex gate;
  gate.lock();
  shop_.store->before_call = [&](std::string_view call) {
    if (call == "FindTickets") const std::lock_guard wait(gate);
    return absl::OkStatus();
  };
  const Deadline deadline = Deadline::In(std::chrono::minutes(2));
  for (int i = 0; i < kGreedy; ++i) Submit(Line("greedy"), absl::StrCat("g", i), deadline);
  Submit(Line("second"), "s1", deadline);
  gate.unlock();
  Await(kGreedy + 1);
  for (const auto& [line, status] : answers_) EXPECT_TRUE(status.ok()) << line << " " << status;
  // Those that had begun before it, and at most as many that began beside it.
  EXPECT_LE(PlaceOf("second"), 3u * kActive);
}

TEST_F(FairnessTest, NoWorkIsDoneForATicketWhoseDeadlineHasPassed) {
  shop_.pipeline_options.max_active = 1;
  shop_.pipeline_options.least_deadline = std::chrono::milliseconds(0);
  ASSERT_TRUE(shop_.Open("lot-1", shop_.Light(), 10).ok());
  std::mutex gate;
  gate.lock();
  shop_.store->before_call = [&](std::string_view call) {
    if (call == "FindTickets") const std::lock_guard wait(gate);
    return absl::OkStatus();
  };
  Submit(Line("first"), "t1", Deadline::In(std::chrono::minutes(1)));
  const Deadline soon = Deadline::In(std::chrono::milliseconds(30));
  Submit(Line("late"), "t2", soon);
  while (!soon.Passed()) std::this_thread::yield();
  gate.unlock();
  Await(2);
  EXPECT_TRUE(answers_[0].second.ok()) << answers_[0].second;
  EXPECT_TRUE(HasReason(answers_[1].second, Reason::DEADLINE_TOO_SHORT)) << answers_[1].second;
  EXPECT_EQ(shop_.observer.Count(Step::kBuild), 1);
  EXPECT_EQ(shop_.LotNow("lot-1").claimed(), 1u);
}

TEST_F(FairnessTest, AFullServiceRefusesAtOnceWithAHintAndSpendsNothing) {
  shop_.pipeline_options.max_in_flight = 2;
  ASSERT_TRUE(shop_.Open("lot-1", shop_.Light(), 10).ok());
  std::mutex gate;
  gate.lock();
  shop_.store->before_call = [&](std::string_view call) {
    if (call == "FindTickets") const std::lock_guard wait(gate);
    return absl::OkStatus();
  };
  const Deadline deadline = Deadline::In(std::chrono::minutes(1));
  for (int i = 0; i < 5; ++i) Submit(Line("line-1"), absl::StrCat("t", i), deadline);
  // The three refusals came on this thread, while the others cannot have moved.
  ASSERT_EQ(answers_.size(), 3u);
  for (const auto& [line, status] : answers_) {
    EXPECT_TRUE(HasReason(status, Reason::OVERLOADED)) << status;
    EXPECT_TRUE(RefusalOf(status)->retry_after.has_value());
  }
  gate.unlock();
  Await(5);
  EXPECT_EQ(shop_.LotNow("lot-1").claimed(), 2u);
}

TEST_F(FairnessTest, NewLimitsHoldFromTheNextTicketOn) {
  ASSERT_TRUE(shop_.Open("lot-1", shop_.Light(), 10).ok());
  const Deadline deadline = Deadline::In(std::chrono::minutes(1));
  Submit(Line("line-1"), "t1", deadline);
  Await(1);
  FairLimits limits;
  limits.line_rate = 0.001;
  limits.line_burst = 1;
  shop_.pipeline->SetLimits(limits);
  Submit(Line("line-1"), "t2", deadline);
  Submit(Line("line-1"), "t3", deadline);
  Submit(Line("line-2"), "t4", deadline);
  Await(4);
  int limited = 0;
  for (const auto& [line, status] : answers_) {
    limited += HasReason(status, Reason::RATE_LIMITED) ? 1 : 0;
  }
  EXPECT_EQ(limited, 1);
  EXPECT_EQ(shop_.LotNow("lot-1").claimed(), 3u);
}

TEST_F(FairnessTest, AScrappedUnitIsReplacedWithinTheCountUnlessTheProductSaysItCosts) {
  v1::ProductSpec free = shop_.Light(), costly = shop_.Light();
  costly.mutable_scrap()->set_replacement_costs_quota(true);
  ASSERT_TRUE(shop_.Open("lot-1", free, 1).ok());
  ASSERT_TRUE(shop_.Open("lot-2", costly, 1).ok());
  for (const char* const lot : {"lot-1", "lot-2"}) {
    ASSERT_TRUE(shop_.Issue(Workshop::Request(lot, "t1")).ok());
    v1::ConfirmRequest scrap;
    scrap.set_lot(lot);
    scrap.set_ticket("t1");
    scrap.set_outcome(v1::OUTCOME_SCRAPPED);
    std::promise<absl::Status> done;
    shop_.pipeline->Confirm(
        shop_.line_caller, scrap, Deadline::In(std::chrono::minutes(1)),
        [&](absl::StatusOr<v1::ConfirmResponse> answer) { done.set_value(answer.status()); });
    EXPECT_TRUE(done.get_future().get().ok());
  }
  EXPECT_TRUE(shop_.Issue(Workshop::Request("lot-1", "t2")).ok());
  EXPECT_TRUE(
      HasReason(shop_.Issue(Workshop::Request("lot-2", "t2")).status(), Reason::QUOTA_EXCEEDED));
}

}  // namespace
}  // namespace assay::issue
