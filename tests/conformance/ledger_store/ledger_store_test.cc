// One suite over every ledger store.
#include "db/ledger_store.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/ledger_store.h"
#include "tests/support/memory_ledger_store.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/store_fixture.h"

namespace assay::test_support {
namespace {

#define EXPECT_REFUSED(status, reason) EXPECT_TRUE(HasReason((status), Reason::reason)) << (status)

constexpr std::chrono::hours kLong{1};
constexpr std::chrono::milliseconds kEnded{0};

class LedgerStoreTest : public testing::TestWithParam<std::string> {
 protected:
  LedgerStoreTest() {
    if (GetParam() == "memory") {
      store_ = std::make_shared<MemoryLedgerStore>(clock_);
    } else {
      store_ = pg::OpenLedgerStore(NewMigratedDatabase());
    }
  }

  void Add(int count) {
    std::vector<std::string> bodies;
    for (int i = 0; i < count; ++i) bodies.push_back(absl::StrCat("{\"device\":\"d", i, "\"}"));
    ASSERT_TRUE(store_->AddEntries("device.seal", bodies).ok());
  }
  db::LedgerStep NextStep() {
    db::LedgerStep step;
    step.from = *store_->ReadHead();
    step.to.size = step.from.size;
    const auto pending = store_->ReadPending(0, 1000);
    for (const db::PendingEntry& entry : *pending) {
      step.ids.push_back(entry.id);
      step.devices.push_back(db::DeviceOfEntry(entry.body));
      ++step.to.size;
    }
    step.to.root = Sha256(AsBytes(absl::StrCat("root of ", step.to.size)));
    step.tiles = {{0, 0, Bytes(32 * (step.to.size % 256), 7)}};
    return step;
  }
  bool Lease(const std::string& holder, std::chrono::milliseconds lease = kLong) {
    const auto taken = store_->TakeLease(holder, lease);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.ok() && *taken;
  }
  db::LedgerCheckpoint Checkpoint(uint64_t size) {
    return {size, Sha256(AsBytes(absl::StrCat("root of ", size))), absl::StrCat("note ", size), {}};
  }

  SystemClock clock_;
  std::shared_ptr<db::LedgerStore> store_;
};

TEST_P(LedgerStoreTest, OneHolderAtATime) {
  EXPECT_TRUE(Lease("a"));
  EXPECT_FALSE(Lease("b"));
  EXPECT_TRUE(Lease("a"));
  ASSERT_TRUE(store_->EndLease("b").ok());  // not its to end
  EXPECT_FALSE(Lease("b"));
  ASSERT_TRUE(store_->EndLease("a").ok());
  EXPECT_TRUE(Lease("b", kEnded));
  EXPECT_TRUE(Lease("a"));
}

TEST_P(LedgerStoreTest, EntriesGetTheirPlacesInOneStep) {
  Add(3);
  ASSERT_TRUE(Lease("a"));
  const auto head = store_->ReadHead();
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->size, 0u);
  const db::LedgerStep step = NextStep();
  ASSERT_EQ(step.ids.size(), 3u);
  ASSERT_TRUE(store_->Append("a", step).ok());
  EXPECT_EQ(*store_->ReadHead(), step.to);
  EXPECT_TRUE(store_->ReadPending(0, 10)->empty());
  EXPECT_EQ(*store_->ReadTile(0, 0), Bytes(96, 7));
  EXPECT_REFUSED(store_->ReadTile(0, 1).status(), LEDGER_UNKNOWN);
  EXPECT_EQ(*store_->FindDeviceEntries("d1"), std::vector<uint64_t>{1});
  EXPECT_TRUE(store_->FindDeviceEntries("d9")->empty());
  EXPECT_TRUE(store_->FindDeviceEntries("")->empty());
}

TEST_P(LedgerStoreTest, LeavesAreTheSameBytesBeforeAndAfterTheirPlace) {
  Add(2);
  ASSERT_TRUE(Lease("a"));
  std::vector<std::string> waiting;
  const auto pending = store_->ReadPending(0, 10);
  for (const db::PendingEntry& entry : *pending) {
    waiting.push_back(db::LedgerLeaf(entry.body, entry.written_at));
  }
  ASSERT_TRUE(store_->Append("a", NextStep()).ok());
  EXPECT_EQ(*store_->ReadLeaves(0, 10), waiting);
  EXPECT_EQ(*store_->ReadLeaves(1, 1), std::vector<std::string>{waiting[1]});
  EXPECT_TRUE(store_->ReadLeaves(2, 10)->empty());
}

TEST_P(LedgerStoreTest, OnlyTheHolderAddsAndOnlyToTheHeadItKnows) {
  Add(2);
  ASSERT_TRUE(Lease("a"));
  const db::LedgerStep step = NextStep();
  EXPECT_REFUSED(store_->Append("b", step), STORE_UNAVAILABLE);
  db::LedgerStep stale = step;
  stale.from.root[0] ^= 1;
  EXPECT_REFUSED(store_->Append("a", stale), STORE_UNAVAILABLE);
  ASSERT_TRUE(Lease("a", kEnded));
  EXPECT_REFUSED(store_->Append("a", step), STORE_UNAVAILABLE);
  ASSERT_TRUE(Lease("a"));
  ASSERT_TRUE(store_->Append("a", step).ok());
  EXPECT_REFUSED(store_->Append("a", step), STORE_UNAVAILABLE);  // twice
  EXPECT_EQ(store_->ReadHead()->size, 2u);
}

TEST_P(LedgerStoreTest, AStepThatFailsChangesNothing) {
  Add(2);
  ASSERT_TRUE(Lease("a"));
  db::LedgerStep step = NextStep();
  step.ids[1] = 1'000'000;  // no such entry
  EXPECT_REFUSED(store_->Append("a", step), LEDGER_FORKED);
  EXPECT_EQ(store_->ReadHead()->size, 0u);
  EXPECT_EQ(store_->ReadPending(0, 10)->size(), 2u);
}

TEST_P(LedgerStoreTest, PendingEntriesComeOldestFirstAndInPieces) {
  Add(5);
  const auto first = store_->ReadPending(0, 2);
  ASSERT_EQ(first->size(), 2u);
  const auto rest = store_->ReadPending(first->back().id, 10);
  ASSERT_EQ(rest->size(), 3u);
  EXPECT_LT(first->back().id, rest->front().id);
}

TEST_P(LedgerStoreTest, CheckpointsOnlyGrowAndNeverBeyondTheHead) {
  Add(5);
  ASSERT_TRUE(Lease("a"));
  EXPECT_FALSE(store_->LatestCheckpoint()->has_value());
  ASSERT_TRUE(store_->Append("a", NextStep()).ok());
  EXPECT_REFUSED(store_->Publish("a", Checkpoint(6)), STORE_UNAVAILABLE);
  EXPECT_REFUSED(store_->Publish("b", Checkpoint(5)), STORE_UNAVAILABLE);
  ASSERT_TRUE(store_->Publish("a", Checkpoint(3)).ok());
  ASSERT_TRUE(store_->Publish("a", Checkpoint(5)).ok());
  EXPECT_REFUSED(store_->Publish("a", Checkpoint(5)), STORE_UNAVAILABLE);
  EXPECT_REFUSED(store_->Publish("a", Checkpoint(4)), STORE_UNAVAILABLE);
  EXPECT_EQ((*store_->LatestCheckpoint())->note, "note 5");
  EXPECT_EQ((*store_->FirstCheckpointOf(2))->note, "note 3");
  EXPECT_EQ((*store_->FirstCheckpointOf(4))->note, "note 5");
  EXPECT_FALSE(store_->FirstCheckpointOf(6)->has_value());
}

TEST_P(LedgerStoreTest, FreshCheckpointsAreNotThinned) {
  Add(5);
  ASSERT_TRUE(Lease("a"));
  ASSERT_TRUE(store_->Append("a", NextStep()).ok());
  db::LedgerCheckpoint checkpoint = Checkpoint(3);
  checkpoint.published_at = clock_.Now();
  ASSERT_TRUE(store_->Publish("a", checkpoint).ok());
  const auto gone = store_->ThinCheckpoints();
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(*gone, 0);
}

TEST(LedgerThinning, OfOldCheckpointsTheLastOfEachHourStays) {
  const pg::PgOptions options = NewMigratedDatabase();
  const auto store = pg::OpenLedgerStore(options);
  ASSERT_TRUE(PostgresCluster::Execute(
                  options.dsn,
                  "INSERT INTO ledger_checkpoints (size, root, note, published_at) SELECT n, "
                  "sha256(''), '', "
                  "date_trunc('hour', now()) - interval '5 days' + n * interval '10 minutes' "
                  "FROM generate_series(0, 11) n")
                  .ok());
  const auto gone = store->ThinCheckpoints();
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(*gone, 10);
  EXPECT_EQ((*store->FirstCheckpointOf(0))->size, 5u);
  EXPECT_EQ((*store->LatestCheckpoint())->size, 11u);
}

INSTANTIATE_TEST_SUITE_P(, LedgerStoreTest, testing::Values("memory", "postgresql"),
                         [](const auto& info) { return info.param; });

TEST(LedgerLeaf, IsCanonicalAndKeepsWithinTheTileFormat) {
  const absl::Time at = absl::FromUnixMicros(1'800'000'000'123'450);
  EXPECT_EQ(db::LedgerLeaf("{\"kind\":\"issue\"}", at),
            "{\"at\":\"2027-01-15T08:00:00.123450Z\",\"entry\":{\"kind\":\"issue\"}}");
  const std::string large = db::LedgerLeaf(std::string(70'000, 'x'), at);
  EXPECT_LT(large.size(), 200u);
  EXPECT_NE(large.find("\"size\":70000"), std::string::npos);
}

TEST(LedgerLeaf, TheDeviceIsTheKeysValueAndNoOther) {
  EXPECT_EQ(db::DeviceOfEntry("{\"actor\":\"x\",\"device\":\"abc\",\"kind\":\"issue\"}"), "abc");
  EXPECT_EQ(db::DeviceOfEntry("{\"ticket\":\"\\\"device\\\":\\\"evil\\\"\"}"), "");
  EXPECT_EQ(db::DeviceOfEntry("{\"kind\":\"lot.open\"}"), "");
}

}  // namespace
}  // namespace assay::test_support
