#include "server/ledger/sequencer.h"

#include <gtest/gtest.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/ledger/store_reader.h"
#include "tests/support/memory_ledger_store.h"
#include "tests/support/software_token.h"
#include "tlog/log_check.h"

namespace assay::ledger {
namespace {

using test_support::MemoryLedgerStore;
using test_support::SoftwareToken;

#define EXPECT_REFUSED(status, reason) EXPECT_TRUE(HasReason((status), Reason::reason)) << (status)

class SetClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
};

class SequencerTest : public testing::Test {
 protected:
  SequencerTest() {
    EXPECT_TRUE(token_->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning).ok());
  }

  // Longer than any test: only the tests' clock ends it.
  Sequencer& Replica(const std::string& name, int batch = 4096) {
    SequencerOptions options;
    options.instance_id = name;
    options.batch = batch;
    options.lease = std::chrono::hours(1);
    return replicas_.emplace_back(store_, token_, signers_, clock_, options);
  }
  void Add(int count) {
    std::vector<std::string> bodies;
    for (int i = 0; i < count; ++i) {
      bodies.push_back(absl::StrCat("{\"device\":\"d", ++added_, "\",\"kind\":\"issue\"}"));
    }
    ASSERT_TRUE(store_->AddEntries("device.seal", bodies).ok());
  }
  tlog::Checkpoint Signed() {
    const auto latest = store_->LatestCheckpoint();
    EXPECT_TRUE(latest.ok() && latest->has_value());
    if (!latest.ok() || !latest->has_value()) return {};
    const auto opened = tlog::OpenCheckpoint((*latest)->note, *replicas_.front().PublicKey());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *opened : tlog::Checkpoint{};
  }
  void ExpectCleanLog(uint64_t size) {
    const tlog::Checkpoint checkpoint = Signed();
    EXPECT_EQ(checkpoint.size, size);
    StoreReader reader(store_);
    const auto findings = tlog::CheckLog(reader, checkpoint);
    ASSERT_TRUE(findings.ok()) << findings.status();
    EXPECT_TRUE(findings->Clean()) << findings->faults[0];
    EXPECT_EQ(findings->entries, size);
  }

  SetClock clock_;
  std::shared_ptr<MemoryLedgerStore> store_ = std::make_shared<MemoryLedgerStore>(clock_);
  std::shared_ptr<SoftwareToken> token_ = std::make_shared<SoftwareToken>();
  std::shared_ptr<hsm::SignerPool> signers_ =
      std::make_shared<hsm::SignerPool>(token_, hsm::SignerPoolOptions{});
  std::deque<Sequencer> replicas_;
  int added_ = 0;
};

TEST_F(SequencerTest, WhatWaitsIsPlacedAndSignedInOneRound) {
  Sequencer& replica = Replica("a");
  Add(300);
  ASSERT_TRUE(replica.RunOnce().ok());
  EXPECT_EQ(replica.State().signed_size, 300u);
  EXPECT_EQ(replica.State().lag, absl::ZeroDuration());
  ExpectCleanLog(300);
  EXPECT_EQ(*store_->FindDeviceEntries("d7"), std::vector<uint64_t>{6});
}

TEST_F(SequencerTest, ALedgerWithoutNewEntriesIsNotSignedAgain) {
  Sequencer& replica = Replica("a");
  ASSERT_TRUE(replica.RunOnce().ok());
  EXPECT_EQ(replica.State().checkpoints, 0u);
  Add(1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(replica.RunOnce().ok());
  EXPECT_EQ(replica.State().checkpoints, 1u);
}

TEST_F(SequencerTest, ALongQueueIsTakenInBatches) {
  Sequencer& replica = Replica("a", 100);
  Add(950);
  ASSERT_TRUE(replica.RunOnce().ok());
  EXPECT_EQ(replica.State().steps, 10u);
  ExpectCleanLog(950);
}

TEST_F(SequencerTest, EveryCheckpointIsConsistentWithTheOneBefore) {
  Sequencer& replica = Replica("a");
  for (const int count : {1, 1, 253, 1, 1, 300}) {
    Add(count);
    ASSERT_TRUE(replica.RunOnce().ok());
  }
  StoreReader reader(store_);
  const auto key = replica.PublicKey();
  std::optional<tlog::Checkpoint> before;
  for (const auto& [size, stored] : store_->checkpoints) {
    const auto opened = tlog::OpenCheckpoint(stored.note, *key);
    ASSERT_TRUE(opened.ok());
    if (before) {
      EXPECT_TRUE(tlog::CheckGrowth(reader, *before, *opened).ok());
    }
    before = *opened;
  }
  EXPECT_EQ(store_->checkpoints.size(), 6u);
  ExpectCleanLog(557);
}

TEST_F(SequencerTest, OneReplicaLeadsAndAnotherTakesOverWhenItsLeaseEnds) {
  Sequencer& first = Replica("a");
  Sequencer& second = Replica("b");
  Add(10);
  ASSERT_TRUE(first.RunOnce().ok());
  ASSERT_TRUE(second.RunOnce().ok());
  EXPECT_TRUE(first.State().leading);
  EXPECT_FALSE(second.State().leading);
  Add(10);
  clock_.now += absl::Hours(2);
  Sequencer& third = Replica("c");
  ASSERT_TRUE(third.RunOnce().ok());
  EXPECT_TRUE(third.State().leading);
  // The first still believes in its lease: the store does not.
  Add(10);
  EXPECT_REFUSED(first.RunOnce(), STORE_UNAVAILABLE);
  ASSERT_TRUE(first.RunOnce().ok());
  EXPECT_FALSE(first.State().leading);
  ASSERT_TRUE(third.RunOnce().ok());
  ExpectCleanLog(30);
}

TEST_F(SequencerTest, AReplicaThatEndsGivesItsLeaseBack) {
  Add(1);
  {
    Sequencer first(store_, token_, signers_, clock_, SequencerOptions{.instance_id = "a"});
    ASSERT_TRUE(first.RunOnce().ok());
  }
  Sequencer& second = Replica("b");
  Add(1);
  ASSERT_TRUE(second.RunOnce().ok());
  EXPECT_TRUE(second.State().leading);
  ExpectCleanLog(2);
}

TEST_F(SequencerTest, ALostReplyAtEachWriteLosesAndDoublesNothing) {
  for (const std::string lost : {"Append", "Publish"}) {
    Sequencer& replica = Replica("a");
    Add(5);
    store_->after_call = [&](std::string_view call) {
      return call == lost ? Refuse(Reason::STORE_IN_DOUBT, "the reply was lost") : absl::OkStatus();
    };
    EXPECT_REFUSED(replica.RunOnce(), STORE_IN_DOUBT);
    store_->after_call = nullptr;
    Add(2);
    ASSERT_TRUE(replica.RunOnce().ok());
    ExpectCleanLog(static_cast<uint64_t>(added_));
  }
}

TEST_F(SequencerTest, AFailureAtEachCallHealsInTheNextRounds) {
  std::vector<std::string> calls;
  store_->before_call = [&](std::string_view call) {
    calls.emplace_back(call);
    return absl::OkStatus();
  };
  Add(3);
  ASSERT_TRUE(Replica("a").RunOnce().ok());
  const size_t count = calls.size();
  for (size_t failing = 1; failing <= count; ++failing) {
    clock_.now += absl::Hours(2);
    Sequencer& replica = Replica(absl::StrCat("r", failing));
    store_->before_call = nullptr;
    Add(3);
    size_t seen = 0;
    store_->before_call = [&](std::string_view) {
      return ++seen == failing ? Refuse(Reason::STORE_UNAVAILABLE, "cut") : absl::OkStatus();
    };
    static_cast<void>(replica.RunOnce());
    store_->before_call = nullptr;
    ASSERT_TRUE(replica.RunOnce().ok());
  }
  clock_.now += absl::Hours(2);
  ASSERT_TRUE(Replica("last").RunOnce().ok());
  ExpectCleanLog(static_cast<uint64_t>(added_));
}

TEST_F(SequencerTest, AnHsmThatIsAwayDelaysCheckpointsButNotPlaces) {
  Sequencer& replica = Replica("a");
  Add(5);
  token_->SetBeforeCall([](std::string_view call, std::string_view) {
    return call == "Sign" ? Refuse(Reason::HSM_UNAVAILABLE, "away") : absl::OkStatus();
  });
  EXPECT_REFUSED(replica.RunOnce(), HSM_UNAVAILABLE);
  clock_.now += absl::Milliseconds(500);
  EXPECT_FALSE(replica.RunOnce().ok());
  EXPECT_EQ(replica.State().size, 5u);
  EXPECT_EQ(replica.State().signed_size, 0u);
  EXPECT_EQ(replica.State().lag, absl::Milliseconds(500));
  token_->SetBeforeCall(nullptr);
  Add(5);
  ASSERT_TRUE(replica.RunOnce().ok());
  ExpectCleanLog(10);
}

TEST_F(SequencerTest, AWrongSignatureIsNotPublished) {
  Sequencer& replica = Replica("a");
  Add(5);
  token_->SetGarbageSignatures(true);
  EXPECT_FALSE(replica.RunOnce().ok());
  EXPECT_TRUE(store_->checkpoints.empty());
  token_->SetGarbageSignatures(false);
  ASSERT_TRUE(replica.RunOnce().ok());
  ExpectCleanLog(5);
}

TEST_F(SequencerTest, AReplicaMayIssueOnceItHasSeenTheLedgerWholeWhoeverLeads) {
  Add(3);
  Sequencer& leader = Replica("a");
  EXPECT_REFUSED(leader.MayIssue(), LEDGER_PENDING);
  ASSERT_TRUE(leader.RunOnce().ok());
  EXPECT_TRUE(leader.MayIssue().ok());
  Sequencer& other = Replica("b");
  EXPECT_REFUSED(other.MayIssue(), LEDGER_PENDING);
  ASSERT_TRUE(other.RunOnce().ok());
  EXPECT_FALSE(other.State().leading);
  EXPECT_TRUE(other.MayIssue().ok());
}

class ForkTest : public SequencerTest {
 protected:
  ForkTest() {
    Add(300);
    EXPECT_TRUE(Replica("a").RunOnce().ok());
    Add(10);
    clock_.now += absl::Hours(2);
  }
  // The next replica finds it, names it, and adds nothing.
  void ExpectFork(const std::string& named) {
    Sequencer& next = Replica("b");
    const uint64_t before = store_->head.size;
    const absl::Status refused = next.RunOnce();
    EXPECT_REFUSED(refused, LEDGER_FORKED);
    EXPECT_NE(std::string(refused.message()).find(named), std::string::npos) << refused;
    EXPECT_FALSE(next.State().fork.ok());
    EXPECT_EQ(store_->head.size, before);
  }
};

TEST_F(ForkTest, AnEditedRowIsNamed) {
  store_->entries.at(store_->id_at.at(270)).written.body = "{\"device\":\"forged\"}";
  ExpectFork("entry 270 was changed");
}

TEST_F(ForkTest, AReplicaThatDoesNotLeadDoesNotIssueOnAForkedLedgerEither) {
  Sequencer& leader = Replica("b");
  ASSERT_TRUE(leader.RunOnce().ok());
  store_->entries.at(store_->id_at.at(270)).written.body = "{\"device\":\"forged\"}";
  Sequencer& other = Replica("c");
  ASSERT_TRUE(other.RunOnce().ok());
  EXPECT_FALSE(other.State().leading);
  EXPECT_REFUSED(other.MayIssue(), LEDGER_PENDING);
}

TEST_F(ForkTest, RowsThatChangedPlacesAreNamed) {
  std::swap(store_->id_at.at(270), store_->id_at.at(271));
  ExpectFork("entry 270 was changed");
}

TEST_F(ForkTest, AMissingRowIsNamed) {
  store_->id_at.erase(280);
  ExpectFork("entry 280 is missing");
}

TEST_F(ForkTest, ATruncatedLedgerIsNamed) {
  store_->id_at.erase(299);
  ExpectFork("the head has 300 entries, the last row says 299");
}

TEST_F(ForkTest, AChangedTileIsNamed) {
  store_->tiles.at({1, 0})[3] ^= 1;
  ExpectFork("the tiles do not lead to the root of the head");
}

TEST_F(ForkTest, ACheckpointOfAnotherKeyIsNamed) {
  store_->checkpoints.at(300).note[5] ^= 1;
  ExpectFork("the newest checkpoint");
}

TEST_F(ForkTest, AnOldBackupBroughtBackIsNamedByAReplicaThatSawMore) {
  const auto entries = store_->entries;
  const auto id_at = store_->id_at;
  const auto tiles = store_->tiles;
  const auto checkpoints = store_->checkpoints;
  const auto head = store_->head;
  Sequencer& seen = Replica("b");
  ASSERT_TRUE(seen.RunOnce().ok());
  ASSERT_EQ(seen.State().signed_size, 310u);
  store_->entries = entries;
  store_->id_at = id_at;
  store_->tiles = tiles;
  store_->checkpoints = checkpoints;
  store_->head = head;
  Add(20);
  EXPECT_FALSE(seen.RunOnce().ok());  // its head is not the store's
  const absl::Status refused = seen.RunOnce();
  EXPECT_REFUSED(refused, LEDGER_FORKED);
  EXPECT_NE(std::string(refused.message()).find("300 entries, but 310 were signed"),
            std::string::npos)
      << refused;
}

}  // namespace
}  // namespace assay::ledger
