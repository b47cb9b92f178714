// What no two units of one product may share: held apart over lots, batches and replicas.
#include <atomic>

#include "absl/strings/str_cat.h"
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using StoreUnitValues = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreUnitValues, testing::Values("postgres", "memory"));

Bytes DigestOf(const std::string& value) {
  const Sha256Digest digest = Sha256(AsBytes(value));
  return Bytes(digest.begin(), digest.begin() + 16);
}

db::Intent With(int64_t lot, const std::string& ticket, const std::string& code,
                const std::string& rotating_id = "") {
  db::Intent intent = SampleIntent(lot, ticket);
  intent.setup_code_digest = DigestOf("code " + code);
  if (!rotating_id.empty()) intent.rotating_id_digest = DigestOf("id " + rotating_id);
  return intent;
}

std::string FieldOf(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  return refusal ? refusal->field : "";
}

TEST_P(StoreUnitValues, OneValueOfTwoUnitsIsRefusedAcrossLotsAndCostsNothing) {
  const int64_t first = OpenSampleLot(*store_, "lot-1", 5);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 5);
  ASSERT_TRUE(Claim(With(first, "t1", "A", "X")).ok());
  for (const int64_t lot : {first, second}) {
    const auto code = Claim(With(lot, "t2", "A", "Y"));
    EXPECT_REFUSED(code.status(), VALUE_TAKEN);
    EXPECT_EQ(FieldOf(code.status()), "setup_code");
    const auto id = Claim(With(lot, "t2", "B", "X"));
    EXPECT_REFUSED(id.status(), VALUE_TAKEN);
    EXPECT_EQ(FieldOf(id.status()), "rotating_id");
  }
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
  EXPECT_EQ(LotNamed("lot-2").claimed, 0u);
  EXPECT_TRUE(Claim(With(second, "t2", "B", "Y")).ok());
}

TEST_P(StoreUnitValues, OneOfABatchIsRefusedAndItsSiblingsStand) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const std::vector<db::Intent> batch = {With(lot, "t1", "A"), With(lot, "t2", "A"),
                                         With(lot, "t3", "B"), SampleIntent(lot, "t4"),
                                         SampleIntent(lot, "t5")};
  const auto results = store_->RecordIntents(batch, "replica-a");
  EXPECT_TRUE(results[0].ok());
  EXPECT_REFUSED(results[1].status(), VALUE_TAKEN);
  for (const size_t place : {2, 3, 4}) EXPECT_TRUE(results[place].ok()) << results[place].status();
  EXPECT_EQ(LotNamed("lot-1").claimed, 4u);
}

TEST_P(StoreUnitValues, AVoidedAttemptGivesItsValuesBack) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const auto attempt = Claim(With(lot, "t1", "A", "X"));
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(Void(*attempt).ok());
  EXPECT_TRUE(Claim(With(lot, "t2", "A", "X")).ok());
  EXPECT_REFUSED(Claim(With(lot, "t3", "A", "Z")).status(), VALUE_TAKEN);
}

TEST_P(StoreUnitValues, AScrappedUnitsLabelMayGoOnItsReplacementAndAProvisionedOnesMayNot) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 9);
  for (const auto& [ticket, code] : {std::pair("good", "A"), std::pair("bad", "B")}) {
    const db::Intent intent = With(lot, ticket, code);
    const auto attempt = Claim(intent);
    ASSERT_TRUE(attempt.ok());
    ASSERT_TRUE(Seal(SampleSeal(*attempt, intent)).ok());
  }
  ASSERT_TRUE(Confirm(lot, "good").ok());
  EXPECT_REFUSED(Claim(With(lot, "new", "B")).status(), VALUE_TAKEN);
  ASSERT_TRUE(Confirm(lot, "bad", db::DeviceState::kScrapped).ok());
  EXPECT_REFUSED(Claim(With(lot, "new", "A")).status(), VALUE_TAKEN);
  EXPECT_TRUE(Claim(With(lot, "new", "B")).ok());
  EXPECT_REFUSED(Claim(With(lot, "newer", "B")).status(), VALUE_TAKEN);
}

TEST_P(StoreUnitValues, TheSameUnitIsMadeAgainOnlyWhereItMayBe) {
  const int64_t first = OpenSampleLot(*store_, "lot-1", 5);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 5);
  db::Intent unit = With(first, "t1", "A", "X");
  unit.serial_number = "SN-1";
  ASSERT_TRUE(Claim(unit).ok());
  db::Intent again = With(second, "t1", "A", "X");
  again.serial_number = "SN-1";
  EXPECT_REFUSED(Claim(again).status(), VALUE_TAKEN);
  again.may_repeat_unit = true;
  EXPECT_TRUE(Claim(again).ok());
  db::Intent other = With(second, "t2", "A");
  other.may_repeat_unit = true;
  EXPECT_REFUSED(Claim(other).status(), VALUE_TAKEN);
}

TEST_P(StoreUnitValues, OfManyRacersInTwoLotsOneHasTheValue) {
  const int64_t lots[] = {OpenSampleLot(*store_, "lot-1", 50), OpenSampleLot(*store_, "lot-2", 50)};
  std::atomic<int> made = 0, taken = 0;
  std::vector<std::thread> racers;
  for (int racer = 0; racer < 4; ++racer) {
    racers.emplace_back([&, racer] {
      // Each the other way round, so that they wait for each other.
      std::vector<db::Intent> batch;
      for (int i = 0; i < 8; ++i) {
        const int value = racer % 2 == 0 ? i : 7 - i;
        batch.push_back(
            With(lots[racer % 2], absl::StrCat("t", racer, "-", i), absl::StrCat("code ", value)));
      }
      for (const auto& result : store_->RecordIntents(batch, "replica-a")) {
        if (result.ok()) ++made;
        if (HasReason(result.status(), Reason::VALUE_TAKEN)) ++taken;
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(made, 8);
  EXPECT_EQ(taken, 24);
  EXPECT_EQ(LotNamed("lot-1").claimed + LotNamed("lot-2").claimed, 8u);
}

TEST_P(StoreUnitValues, AProductsKeyIsTheFirstThatWasOffered) {
  EXPECT_TRUE(store_->ProductKey(0xFFF1, 0x8000, {})->empty());
  EXPECT_EQ(*store_->ProductKey(0xFFF1, 0x8000, {1, 2, 3}), (Bytes{1, 2, 3}));
  EXPECT_EQ(*store_->ProductKey(0xFFF1, 0x8000, {4, 5, 6}), (Bytes{1, 2, 3}));
  EXPECT_EQ(*store_->ProductKey(0xFFF1, 0x8000, {}), (Bytes{1, 2, 3}));
  EXPECT_TRUE(store_->ProductKey(0xFFF1, 0x8001, {})->empty());
}

}  // namespace
}  // namespace assay::test_support
