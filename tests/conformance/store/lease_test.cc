#include <atomic>

#include "absl/strings/str_cat.h"
#include "db/lease_store.h"
#include "db/pg/lease_store.h"
#include "db/pg/pg_store.h"
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

class StoreLeases : public testing::TestWithParam<std::string> {
 protected:
  StoreLeases() {
    if (GetParam() == "memory") {
      auto memory = std::make_shared<MemoryStore>(clock_);
      store_ = memory;
      leases_ = memory;
    } else {
      const pg::PgOptions options = NewMigratedDatabase();
      store_ = pg::OpenStore(options);
      leases_ = pg::OpenLeaseStore(options);
    }
    EXPECT_TRUE(store_->RenewLease("replica-a", std::chrono::hours(1)).ok());
  }

  absl::StatusOr<db::LotLease> Grant(const std::string& lot, const std::string& line,
                                     uint64_t count,
                                     std::chrono::seconds lasts = std::chrono::hours(8)) {
    db::LotLease lease;
    lease.lot = lot;
    lease.line = line;
    lease.count = count;
    return leases_->GrantLease(SampleAct("lot.lease", lot), lease, lasts);
  }
  absl::StatusOr<int64_t> Claim(int64_t lot, const std::string& line, const std::string& ticket) {
    db::Intent intent = SampleIntent(lot, ticket);
    intent.line = line;
    return store_->RecordIntents({&intent, 1}, "replica-a")[0];
  }
  uint64_t UsedOf(const std::string& lot, size_t place = 0) {
    const auto listed = leases_->ListLeases(lot);
    EXPECT_TRUE(listed.ok()) << listed.status();
    return listed.ok() && listed->leases.size() > place ? listed->leases[place].used : 999;
  }
  uint64_t ClaimedOf(const std::string& lot) {
    const auto found = store_->FindLot(lot);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? found->claimed : 999;
  }

  SystemClock clock_;
  std::shared_ptr<db::Store> store_;
  std::shared_ptr<db::LotLeaseStore> leases_;
};
INSTANTIATE_TEST_SUITE_P(Stores, StoreLeases, testing::Values("postgres", "memory"));

TEST_P(StoreLeases, WhatIsLeasedToOneLineNoOtherLineClaims) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  const auto lease = Grant("lot-1", "north", 2);
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_TRUE(Claim(lot, "south", "s1").ok());
  const auto refused = Claim(lot, "south", "s2");
  EXPECT_REFUSED(refused.status(), QUOTA_EXCEEDED);
  EXPECT_NE(refused.status().message().find("leased to other lines"), std::string::npos);
  EXPECT_TRUE(Claim(lot, "north", "n1").ok());
  EXPECT_TRUE(Claim(lot, "north", "n2").ok());
  EXPECT_REFUSED(Claim(lot, "north", "n3").status(), QUOTA_EXCEEDED);
  EXPECT_EQ(UsedOf("lot-1"), 2u);
  EXPECT_EQ(ClaimedOf("lot-1"), 3u);
}

TEST_P(StoreLeases, ALineUsesItsLeaseFirstAndThenWhatIsFree) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 4);
  ASSERT_TRUE(Grant("lot-1", "north", 1).ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Claim(lot, "north", absl::StrCat("n", i)).ok());
  EXPECT_EQ(UsedOf("lot-1"), 1u);
  EXPECT_TRUE(Claim(lot, "south", "s1").ok());
  EXPECT_REFUSED(Claim(lot, "south", "s2").status(), QUOTA_EXCEEDED);
}

TEST_P(StoreLeases, MoreThanWhatIsFreeIsNotLeased) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  ASSERT_TRUE(Claim(lot, "south", "s1").ok());
  ASSERT_TRUE(Grant("lot-1", "north", 3).ok());
  const auto refused = Grant("lot-1", "east", 2);
  EXPECT_REFUSED(refused.status(), QUOTA_EXCEEDED);
  EXPECT_NE(refused.status().message().find("1 places"), std::string::npos) << refused.status();
  EXPECT_TRUE(Grant("lot-1", "east", 1).ok());
  EXPECT_REFUSED(Claim(lot, "south", "s2").status(), QUOTA_EXCEEDED);
}

TEST_P(StoreLeases, AReleasedLeaseFreesWhatIsUnusedAndTwiceIsOnce) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 2);
  const auto lease = Grant("lot-1", "north", 2);
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE(Claim(lot, "north", "n1").ok());
  EXPECT_REFUSED(Claim(lot, "south", "s1").status(), QUOTA_EXCEEDED);
  const auto released =
      leases_->ReleaseLease(SampleAct("lot.release", "lot-1"), "lot-1", lease->id);
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_TRUE(released->released_at.has_value());
  EXPECT_TRUE(leases_->ReleaseLease(SampleAct("lot.release", "lot-1"), "lot-1", lease->id).ok());
  EXPECT_TRUE(Claim(lot, "south", "s1").ok());
  EXPECT_EQ(ClaimedOf("lot-1"), 2u);
  EXPECT_REFUSED(
      leases_->ReleaseLease(SampleAct("lot.release", "lot-1"), "lot-1", lease->id + 7).status(),
      LEASE_UNKNOWN);
}

TEST_P(StoreLeases, ALeaseThatHasEndedKeepsNothing) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 2);
  // Ends at once.
  ASSERT_TRUE(Grant("lot-1", "north", 2, std::chrono::seconds(0)).ok());
  EXPECT_TRUE(Claim(lot, "south", "s1").ok());
  EXPECT_TRUE(Claim(lot, "south", "s2").ok());
}

TEST_P(StoreLeases, AVoidedAttemptGivesItsPlaceBackToTheLease) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 2);
  ASSERT_TRUE(Grant("lot-1", "north", 1).ok());
  ASSERT_TRUE(Claim(lot, "south", "s1").ok());
  const auto attempt = Claim(lot, "north", "n1");
  ASSERT_TRUE(attempt.ok());
  EXPECT_EQ(UsedOf("lot-1"), 1u);
  const db::Void one{*attempt, "HSM_TIMEOUT"};
  ASSERT_TRUE(store_->VoidAttempts({&one, 1})[0].ok());
  EXPECT_EQ(UsedOf("lot-1"), 0u);
  EXPECT_REFUSED(Claim(lot, "south", "s2").status(), QUOTA_EXCEEDED);
  EXPECT_TRUE(Claim(lot, "north", "n2").ok());
}

TEST_P(StoreLeases, TheSameActGrantsOnce) {
  OpenSampleLot(*store_, "lot-1", 5);
  db::LotLease lease;
  lease.lot = "lot-1";
  lease.line = "north";
  lease.count = 2;
  const db::Act act = SampleAct("lot.lease", "lot-1");
  const auto first = leases_->GrantLease(act, lease, std::chrono::hours(1));
  const auto again = leases_->GrantLease(act, lease, std::chrono::hours(1));
  ASSERT_TRUE(first.ok() && again.ok()) << again.status();
  EXPECT_EQ(first->id, again->id);
  EXPECT_EQ(leases_->ListLeases("lot-1")->leases.size(), 1u);
}

TEST_P(StoreLeases, ClosedAndUnknownLotsHaveNoLeases) {
  OpenSampleLot(*store_, "lot-1", 5);
  ASSERT_TRUE(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1").ok());
  EXPECT_REFUSED(Grant("lot-1", "north", 1).status(), LOT_NOT_OPEN);
  EXPECT_REFUSED(Grant("lot-2", "north", 1).status(), LOT_UNKNOWN);
  EXPECT_REFUSED(leases_->ListLeases("lot-2").status(), LOT_UNKNOWN);
}

TEST_P(StoreLeases, UnderARaceEachLineGetsItsLeaseAndAllTogetherTheCount) {
  constexpr int kLeased = 20, kCount = 50;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", kCount);
  ASSERT_TRUE(Grant("lot-1", "north", kLeased).ok());
  std::atomic<int> north = 0, others = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string line = absl::StrCat("greedy-", t);
      for (int batch = 0; batch < 8; ++batch) {
        std::vector<db::Intent> intents;
        for (int i = 0; i < 5; ++i) {
          intents.push_back(SampleIntent(lot, absl::StrCat(line, "-", batch, "-", i)));
          intents.back().line = line;
        }
        for (const auto& one : store_->RecordIntents(intents, "replica-a")) others += one.ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(others, kCount - kLeased);
  for (int i = 0; i < kLeased + 5; ++i) north += Claim(lot, "north", absl::StrCat("n", i)).ok();
  EXPECT_EQ(north, kLeased);
  EXPECT_EQ(ClaimedOf("lot-1"), static_cast<uint64_t>(kCount));
  EXPECT_EQ(UsedOf("lot-1"), static_cast<uint64_t>(kLeased));
}

// ---- scrapping

class StoreScrap : public StoreLeases {
 protected:
  absl::StatusOr<db::ConfirmResult> Scrap(int64_t lot, const std::string& ticket, bool revoke,
                                          bool return_quota) {
    const db::Confirmation one{
        lot,    ticket,      "line-1", "spiffe://assay.test/line/1", db::DeviceState::kScrapped,
        revoke, return_quota};
    return store_->ConfirmDevices({&one, 1})[0];
  }
  std::string Issue(int64_t lot, const std::string& ticket) {
    const db::Intent intent = SampleIntent(lot, ticket);
    const auto attempt = store_->RecordIntents({&intent, 1}, "replica-a")[0];
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    const db::Seal seal = SampleSeal(attempt.ok() ? *attempt : 0, intent);
    EXPECT_TRUE(store_->SealTickets({&seal, 1})[0].ok());
    return intent.device_id;
  }
  int StateOf(const std::string& device) {
    const auto row = store_->FindDevice(device);
    EXPECT_TRUE(row.ok()) << row.status();
    return row.ok() ? row->state : 0;
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, StoreScrap, testing::Values("postgres", "memory"));

TEST_P(StoreScrap, AScrappedUnitsPlaceIsFreeAgainWhereItIsReturnedAndOnlyOnce) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1);
  Issue(lot, "t1");
  EXPECT_REFUSED(Claim(lot, "line-1", "t2").status(), QUOTA_EXCEEDED);
  ASSERT_TRUE(Scrap(lot, "t1", false, true).ok());
  EXPECT_TRUE(Scrap(lot, "t1", false, true)->before);
  EXPECT_EQ(ClaimedOf("lot-1"), 0u);
  EXPECT_TRUE(Claim(lot, "line-1", "t2").ok());
  EXPECT_REFUSED(Claim(lot, "line-1", "t3").status(), QUOTA_EXCEEDED);
}

TEST_P(StoreScrap, AScrappedUnitKeepsItsPlaceWhereItsReplacementCostsQuota) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1);
  Issue(lot, "t1");
  ASSERT_TRUE(Scrap(lot, "t1", false, false).ok());
  EXPECT_EQ(ClaimedOf("lot-1"), 1u);
  EXPECT_REFUSED(Claim(lot, "line-1", "t2").status(), QUOTA_EXCEEDED);
}

TEST_P(StoreScrap, AScrappedUnitIsRevokedWhereTheProductSaysSoAndStillAnsweredAsScrapped) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 2);
  const std::string marked = Issue(lot, "t1"), revoked = Issue(lot, "t2");
  ASSERT_TRUE(Scrap(lot, "t1", false, true).ok());
  ASSERT_TRUE(Scrap(lot, "t2", true, true).ok());
  EXPECT_EQ(StateOf(marked), static_cast<int>(db::DeviceState::kScrapped));
  EXPECT_EQ(StateOf(revoked), static_cast<int>(db::DeviceState::kRevoked));
  const auto again = Scrap(lot, "t2", true, true);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->before);
  const db::Confirmation other{lot, "t2", "line-1", "spiffe://assay.test/line/1",
                               db::DeviceState::kProvisioned};
  EXPECT_REFUSED(store_->ConfirmDevices({&other, 1})[0].status(), CONFIRM_CONFLICT);
}

}  // namespace
}  // namespace assay::test_support
