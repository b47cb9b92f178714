#include "absl/strings/str_cat.h"
#include "db/pg/pg_store.h"
#include "db/pg/records_store.h"
#include "db/records_store.h"
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

class RecordsStoreTest : public testing::Test {
 protected:
  RecordsStoreTest() {
    const pg::PgOptions options = NewMigratedDatabase();
    store_ = pg::OpenStore(options);
    records_ = pg::OpenRecordsStore(options);
    EXPECT_TRUE(store_->RenewLease("replica-a", std::chrono::hours(1)).ok());
  }
  std::string Issue(int64_t lot, const std::string& ticket, const std::string& line = "line-1",
                    const std::string& serial = "") {
    db::Intent intent = SampleIntent(lot, ticket);
    intent.line = line;
    if (!serial.empty()) intent.serial_number = serial;
    const auto attempt = store_->RecordIntents({&intent, 1}, "replica-a")[0];
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    const db::Seal seal = SampleSeal(attempt.ok() ? *attempt : 0, intent);
    EXPECT_TRUE(store_->SealTickets({&seal, 1})[0].ok());
    return intent.device_id;
  }
  void Confirm(int64_t lot, const std::string& ticket, db::DeviceState outcome,
               const std::string& line = "line-1", bool revoke = false) {
    const db::Confirmation one{lot,     ticket, line, "spiffe://assay.test/line/1",
                               outcome, revoke, true};
    EXPECT_TRUE(store_->ConfirmDevices({&one, 1})[0].ok());
  }

  std::shared_ptr<db::Store> store_;
  std::shared_ptr<db::RecordsStore> records_;
};

TEST_F(RecordsStoreTest, TheCountIsThatOfTheRowsWhateverTheFilter) {
  const int64_t one = OpenSampleLot(*store_, "lot-1", 20);
  const int64_t two = OpenSampleLot(*store_, "lot-2", 20);
  for (int i = 0; i < 6; ++i) {
    Issue(one, absl::StrCat("a", i), i % 2 == 0 ? "even" : "odd", absl::StrCat("SN", i));
  }
  Issue(two, "b1", "even", "SN3");
  Confirm(one, "a0", db::DeviceState::kScrapped, "even");
  const auto check = [&](const db::DeviceFilter& filter, uint64_t expected) {
    const auto counted = records_->CountDevices(filter);
    const auto rows = store_->ListDevices(filter, 0, 100);
    ASSERT_TRUE(counted.ok() && rows.ok()) << counted.status() << rows.status();
    EXPECT_EQ(*counted, expected);
    EXPECT_EQ(rows->size(), expected);
  };
  db::DeviceFilter filter;
  check(filter, 7);
  filter.lot = "lot-1";
  check(filter, 6);
  filter.line = "even";
  check(filter, 3);
  filter.state = db::DeviceState::kScrapped;
  check(filter, 1);
  filter = {};
  filter.serial_number = "SN3";
  check(filter, 2);
  filter = {};
  filter.serial_number_from = "SN2";
  filter.serial_number_until = "SN4";
  check(filter, 4);
  filter.serial_number_until.clear();
  check(filter, 5);
  filter = {};
  filter.sealed_until = absl::FromUnixSeconds(1);
  check(filter, 0);
  filter = {};
  filter.granted = db::GrantedLots{{"*"}, {"lot-2"}};
  check(filter, 1);
}

TEST_F(RecordsStoreTest, AnAccountTellsIssuedConfirmedScrappedMissingRevokedVoidedAndOpen) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 20);
  for (int i = 0; i < 5; ++i) Issue(lot, absl::StrCat("t", i));
  Confirm(lot, "t0", db::DeviceState::kProvisioned);
  Confirm(lot, "t1", db::DeviceState::kScrapped);
  Confirm(lot, "t2", db::DeviceState::kScrapped, "line-1", true);
  db::Intent dead = SampleIntent(lot, "dead"), open = SampleIntent(lot, "open");
  const auto attempt = store_->RecordIntents({&dead, 1}, "replica-a")[0];
  ASSERT_TRUE(attempt.ok());
  const db::Void one{*attempt, "HSM_TIMEOUT"};
  ASSERT_TRUE(store_->VoidAttempts({&one, 1})[0].ok());
  ASSERT_TRUE(store_->RecordIntents({&open, 1}, "replica-a")[0].ok());
  const auto account = records_->Reconcile("lot-1", {});
  ASSERT_TRUE(account.ok()) << account.status();
  db::ReconciledShift all;
  for (const db::ReconciledShift& shift : account->shifts) {
    EXPECT_EQ(shift.end - shift.start, absl::Hours(24));
    all.issued += shift.issued;
    all.confirmed += shift.confirmed;
    all.scrapped += shift.scrapped;
    all.missing += shift.missing;
    all.revoked += shift.revoked;
    all.returned += shift.returned;
    all.voided += shift.voided;
    all.open += shift.open;
  }
  EXPECT_EQ(all.issued, 5u);
  EXPECT_EQ(all.confirmed, 1u);
  EXPECT_EQ(all.scrapped, 2u);
  EXPECT_EQ(all.missing, 2u);
  EXPECT_EQ(all.revoked, 1u);
  EXPECT_EQ(all.returned, 2u);
  EXPECT_EQ(all.voided, 1u);
  EXPECT_EQ(all.open, 1u);
  EXPECT_EQ(account->claimed, 4u);
  EXPECT_REFUSED(records_->Reconcile("lot-9", {}).status(), LOT_UNKNOWN);
}

TEST_F(RecordsStoreTest, WhatComesBeforeTheFirstShiftBelongsToTheLastOfTheDayBefore) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 20);
  Issue(lot, "t0");
  const db::DeviceFilter filter;
  const absl::Time sealed = store_->ListDevices(filter, 0, 1)->front().sealed_at;
  const int minute = static_cast<int>(absl::ToUnixSeconds(sealed) / 60 % 1440);
  // The only shift of the day begins an hour after the unit was sealed.
  const auto account = records_->Reconcile("lot-1", {{(minute + 60) % 1440}, 0});
  ASSERT_TRUE(account.ok()) << account.status();
  ASSERT_EQ(account->shifts.size(), 1u);
  EXPECT_LE(account->shifts[0].start, sealed);
  EXPECT_GT(account->shifts[0].end, sealed);
  EXPECT_EQ(account->shifts[0].end - account->shifts[0].start, absl::Hours(24));
}

TEST_F(RecordsStoreTest, AHistoryHoldsTheAttemptsThatDiedToo) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 20);
  const db::Intent dead = SampleIntent(lot, "t1");
  const auto attempt = store_->RecordIntents({&dead, 1}, "replica-a")[0];
  ASSERT_TRUE(attempt.ok());
  const db::Void one{*attempt, "HSM_TIMEOUT"};
  ASSERT_TRUE(store_->VoidAttempts({&one, 1})[0].ok());
  const std::string device = Issue(lot, "t1");
  Confirm(lot, "t1", db::DeviceState::kScrapped, "line-1", true);
  const auto events = records_->FindHistory(device);
  ASSERT_TRUE(events.ok()) << events.status();
  std::vector<std::string> told;
  for (const db::DeviceEvent& event : *events) told.push_back(event.what);
  EXPECT_EQ(std::count(told.begin(), told.end(), "intent"), 2);
  for (const char* what : {"void", "seal", "scrap", "revoke", "lot.open"}) {
    EXPECT_EQ(std::count(told.begin(), told.end(), what), 1) << what;
  }
  EXPECT_REFUSED(records_->FindHistory("nobody").status(), DEVICE_UNKNOWN);
}

}  // namespace
}  // namespace assay::test_support
