// Replicas that race for one ledger in PostgreSQL while lines write to it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/ledger_store.h"
#include "server/ledger/sequencer.h"
#include "server/ledger/store_reader.h"
#include "tests/support/software_token.h"
#include "tests/support/store_fixture.h"
#include "tlog/log_check.h"

namespace assay::ledger {
namespace {

constexpr int kWriters = 3, kTransactions = 60, kEntries = 7;

// Each replica keeps its lease for as long as it takes to lose it: they change places all the time.
class Replica {
 public:
  Replica(const std::string& name, const pg::PgOptions& database, std::shared_ptr<hsm::Token> token)
      : signers_(std::make_shared<hsm::SignerPool>(token, hsm::SignerPoolOptions{})),
        sequencer_(pg::OpenLedgerStore(database), std::move(token), signers_, clock_,
                   Options(name)),
        thread_([this] {
          while (!ending_) {
            const absl::Status status = sequencer_.RunOnce();
            EXPECT_FALSE(HasReason(status, Reason::LEDGER_FORKED)) << status;
          }
        }) {}
  ~Replica() {
    ending_ = true;
    thread_.join();
  }
  uint64_t steps() const { return sequencer_.State().steps; }

 private:
  static SequencerOptions Options(const std::string& name) {
    SequencerOptions options;
    options.instance_id = name;
    options.lease = std::chrono::milliseconds(20);
    options.batch = 50;
    return options;
  }
  SystemClock clock_;
  std::shared_ptr<hsm::SignerPool> signers_;
  Sequencer sequencer_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

TEST(LedgerRaceTest, EveryEntryGetsOnePlaceAndNoTwoTruthsAreSigned) {
  const pg::PgOptions database = test_support::NewMigratedDatabase();
  const auto token = std::make_shared<test_support::SoftwareToken>();
  const auto made = token->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning);
  ASSERT_TRUE(made.ok());
  const auto store = pg::OpenLedgerStore(database);
  constexpr uint64_t kAll = kWriters * kTransactions * kEntries;
  {
    Replica first("a", database, token), second("b", database, token);
    std::vector<std::thread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < kTransactions; ++i) {
          std::vector<std::string> bodies;
          for (int j = 0; j < kEntries; ++j) {
            bodies.push_back(absl::StrCat("{\"device\":\"", writer, "-", i, "-", j, "\"}"));
          }
          EXPECT_TRUE(store->AddEntries("device.seal", bodies).ok());
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    while (true) {
      const auto newest = store->LatestCheckpoint();
      ASSERT_TRUE(newest.ok()) << newest.status();
      if (newest->has_value() && (*newest)->size == kAll) break;
    }
    EXPECT_GT(first.steps() + second.steps(), 0u);
  }

  const auto key = tlog::NoteKey::OfP256("assay-ledger", *made->public_point);
  const auto named =
      tlog::NoteKey::OfP256(absl::StrCat("assay-ledger/", ToHex(key->id())), *made->public_point);
  StoreReader reader(store);
  std::optional<tlog::Checkpoint> before;
  for (uint64_t size = 0; size < kAll;) {
    const auto stored = store->FirstCheckpointOf(size + 1);
    ASSERT_TRUE(stored.ok() && stored->has_value());
    const auto opened = tlog::OpenCheckpoint((*stored)->note, *named);
    ASSERT_TRUE(opened.ok()) << opened.status();
    if (before) {
      EXPECT_TRUE(tlog::CheckGrowth(reader, *before, *opened).ok());
    }
    before = *opened;
    size = opened->size;
  }
  std::set<std::string> seen;
  const auto findings = tlog::CheckLog(
      reader, *before, [&](uint64_t, ByteView entry) { seen.insert(ToText(entry)); });
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_TRUE(findings->Clean()) << findings->faults[0];
  EXPECT_EQ(findings->entries, kAll);
  for (int writer = 0; writer < kWriters; ++writer) {
    EXPECT_EQ(store->FindDeviceEntries(absl::StrCat(writer, "-59-6"))->size(), 1u);
  }
}

}  // namespace
}  // namespace assay::ledger
