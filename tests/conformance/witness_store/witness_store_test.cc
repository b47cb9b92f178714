// One suite over every witnesses' store.
#include "db/witness_store.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "db/pg/ledger_store.h"
#include "db/pg/witness_store.h"
#include "tests/support/memory_witness_store.h"
#include "tests/support/store_fixture.h"

namespace assay::test_support {
namespace {

class WitnessStoreTest : public testing::TestWithParam<std::string> {
 protected:
  WitnessStoreTest() {
    if (GetParam() == "memory") {
      const auto ledger = std::make_shared<MemoryLedgerStore>(clock_);
      ledger_ = ledger;
      store_ = std::make_shared<MemoryWitnessStore>(ledger);
    } else {
      const pg::PgOptions options = NewMigratedDatabase();
      ledger_ = pg::OpenLedgerStore(options);
      store_ = pg::OpenWitnessStore(options);
    }
    EXPECT_TRUE(ledger_->TakeLease("a", std::chrono::hours(1)).ok());
    Publish(3);
    Publish(5);
  }

  void Publish(uint64_t size) {
    db::LedgerStep step;
    step.from = *ledger_->ReadHead();
    std::vector<std::string> bodies(size - step.from.size, "{\"device\":\"d\"}");
    ASSERT_TRUE(ledger_->AddEntries("device.seal", bodies).ok());
    step.to = {size, Sha256(AsBytes(absl::StrCat(size)))};
    const auto pending = ledger_->ReadPending(0, 1000);
    for (const db::PendingEntry& entry : *pending) {
      step.ids.push_back(entry.id);
      step.devices.push_back("d");
    }
    step.tiles = {{0, 0, Bytes(32 * size, 7)}};
    ASSERT_TRUE(ledger_->Append("a", step).ok());
    const db::LedgerCheckpoint checkpoint{size, step.to.root, absl::StrCat("note ", size, "\n\n"),
                                          clock_.Now()};
    ASSERT_TRUE(ledger_->Publish("a", checkpoint).ok());
  }
  static db::Cosignature Of(uint64_t size, const std::string& name, uint8_t key = 1,
                            const std::string& line = "") {
    return {size,
            name,
            {key, 0, 0, 9},
            absl::StrCat(name, "+key", static_cast<int>(key)),
            line.empty() ? absl::StrCat("— ", name) : line,
            "spiffe://assay.test/witness"};
  }
  static bool Is(const absl::Status& status, Reason reason) { return HasReason(status, reason); }

  SystemClock clock_;
  std::shared_ptr<db::LedgerStore> ledger_;
  std::shared_ptr<db::WitnessStore> store_;
};

TEST_P(WitnessStoreTest, CountsTheKeysOfACheckpointAndKeepsTheFirstLineOfEach) {
  EXPECT_EQ(*store_->AddCosignature(Of(3, "w1")), 1);
  EXPECT_EQ(*store_->AddCosignature(Of(3, "w1", 1, "— another line")), 1);
  EXPECT_EQ(*store_->AddCosignature(Of(3, "w1", 2)), 2);
  EXPECT_EQ(*store_->AddCosignature(Of(5, "w1")), 1);
  const auto cosigned = store_->NewestCosigned(2);
  ASSERT_TRUE(cosigned.ok() && cosigned->has_value()) << cosigned.status();
  EXPECT_EQ((*cosigned)->checkpoint.size, 3u);
  EXPECT_EQ((*cosigned)->checkpoint.note, "note 3\n\n— w1\n— w1\n");
  EXPECT_EQ((*cosigned)->verifier_keys, (std::vector<std::string>{"w1+key1", "w1+key2"}));
}

TEST_P(WitnessStoreTest, TheNewestWithEnoughOfThemIsFound) {
  EXPECT_FALSE(store_->NewestCosigned(1)->has_value());
  ASSERT_TRUE(store_->AddCosignature(Of(3, "b")).ok());
  ASSERT_TRUE(store_->AddCosignature(Of(3, "a")).ok());
  ASSERT_TRUE(store_->AddCosignature(Of(5, "a")).ok());
  EXPECT_EQ((*store_->NewestCosigned(1))->checkpoint.size, 5u);
  EXPECT_EQ((*store_->NewestCosigned(2))->checkpoint.note, "note 3\n\n— a\n— b\n");
  EXPECT_FALSE(store_->NewestCosigned(3)->has_value());
}

TEST_P(WitnessStoreTest, ACheckpointIsFoundBySizeAndWithoutItsCosignatures) {
  ASSERT_TRUE(store_->AddCosignature(Of(3, "w1")).ok());
  const auto found = store_->CheckpointAt(3);
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_EQ((*found)->note, "note 3\n\n");
  EXPECT_FALSE(store_->CheckpointAt(4)->has_value());
}

TEST_P(WitnessStoreTest, WhatIsNotKeptCannotBeCosigned) {
  EXPECT_TRUE(Is(store_->AddCosignature(Of(4, "w1")).status(), Reason::LEDGER_UNKNOWN));
  EXPECT_TRUE(
      Is(store_->AddCosignature(Of(5, std::string("w\0", 2))).status(), Reason::FIELD_MALFORMED));
}

TEST_P(WitnessStoreTest, ACheckpointTakesSoManyKeysAndNoMore) {
  for (uint8_t key = 1; key <= db::WitnessStore::kMostCosignatures; ++key) {
    EXPECT_EQ(*store_->AddCosignature(Of(5, "w", key)), key);
  }
  EXPECT_TRUE(Is(store_->AddCosignature(Of(5, "w", 99)).status(), Reason::OVERLOADED));
  EXPECT_EQ(*store_->AddCosignature(Of(5, "w", 7)), db::WitnessStore::kMostCosignatures);
}

INSTANTIATE_TEST_SUITE_P(Stores, WitnessStoreTest, testing::Values("memory", "postgres"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace assay::test_support
