// What the ledger costs: entries placed a second, receipts made and checked, and how long an entry
// waits for its signature. Durable commits, fsync on; the token is in memory, so the HSM's own time
// comes on top.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "db/pg/ledger_store.h"
#include "db/pg/migrate.h"
#include "server/ledger/archive.h"
#include "server/ledger/sequencer.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/software_token.h"
#include "tlog/log_check.h"
#include "tlog/receipt.h"

namespace assay::test_support {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kEntries = 50'000, kBatch = 64, kReceipts = 2000, kWaits = 100;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double SecondsSince(Steady::time_point begun) {
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

// As long as an issue's entry.
std::string Body(int number) {
  return absl::StrCat("{\"actor\":\"spiffe://assay.test/line/north-1\",\"device\":\"d", number,
                      "\",\"kind\":\"issue\",\"rest\":\"", std::string(500, 'x'), "\"}");
}

void AddAll(db::LedgerStore& store) {
  const auto begun = Steady::now();
  for (int i = 0; i < kEntries; i += kBatch) {
    std::vector<std::string> bodies;
    for (int j = i; j < std::min(i + kBatch, kEntries); ++j) bodies.push_back(Body(j));
    Must(store.AddEntries("device.seal", bodies));
  }
  std::printf("write %d entries, %d a transaction: %.1f us each\n", kEntries, kBatch,
              SecondsSince(begun) / kEntries * 1e6);
}

void PlaceAll(ledger::Sequencer& sequencer) {
  const auto begun = Steady::now();
  while (sequencer.State().signed_size < kEntries) Must(sequencer.RunOnce());
  const double took = SecondsSince(begun);
  std::printf("place and sign them: %.0f entries/s, %.1f us each\n", kEntries / took,
              took / kEntries * 1e6);
}

void MakeReceipts(ledger::Archive& archive, const tlog::NoteKey& key) {
  std::vector<std::string> receipts;
  auto begun = Steady::now();
  for (int i = 0; i < kReceipts; ++i) {
    const auto made = archive.ReceiptsOf(absl::StrCat("d", i * (kEntries / kReceipts)));
    Must(made.status());
    receipts.push_back(made->front().text);
  }
  std::printf("make receipts: %.0f/s\n", kReceipts / SecondsSince(begun));
  begun = Steady::now();
  for (const std::string& receipt : receipts) Must(tlog::VerifyReceipt(receipt, key).status());
  std::printf("check receipts: %.0f/s\n", kReceipts / SecondsSince(begun));
}

void CheckAll(const std::shared_ptr<db::LedgerStore>& store, const tlog::NoteKey& key) {
  const auto newest = store->LatestCheckpoint();
  Must(newest.status());
  const auto checkpoint = tlog::OpenCheckpoint((*newest)->note, key);
  Must(checkpoint.status());
  ledger::StoreReader reader(store);
  const auto begun = Steady::now();
  const auto findings = tlog::CheckLog(reader, *checkpoint);
  Must(findings.status());
  std::printf("check the whole log: %.0f entries/s, %s\n",
              static_cast<double>(findings->entries) / SecondsSince(begun),
              findings->Clean() ? "clean" : "NOT CLEAN");
}

// From an entry's commit to a checkpoint over it, with the daemon's rhythm.
void Wait(db::LedgerStore& store, ledger::Sequencer& sequencer) {
  std::atomic<bool> ending{false};
  std::thread rounds([&] {
    while (!ending) {
      Must(sequencer.RunOnce());
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  });
  std::vector<double> waits;
  for (int i = 0; i < kWaits; ++i) {
    const std::string body = Body(kEntries + i);
    std::this_thread::sleep_for(std::chrono::milliseconds(i * 37 % 200));
    Must(store.AddEntries("device.seal", {&body, 1}));
    const auto begun = Steady::now();
    while (sequencer.State().signed_size < static_cast<uint64_t>(kEntries + i + 1)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    waits.push_back(SecondsSince(begun) * 1e3);
  }
  ending = true;
  rounds.join();
  std::sort(waits.begin(), waits.end());
  std::printf("from commit to checkpoint: p50 %.0f ms, p99 %.0f ms, longest %.0f ms\n",
              waits[kWaits / 2], waits[kWaits * 99 / 100], waits.back());
}

int Run() {
  const auto cluster = PostgresCluster::Start({.durable = true, .settings = {}});
  Must(cluster.status());
  pg::PgOptions options;
  options.dsn = (*cluster)->NewDatabase();
  Must(pg::Migrator(options).Apply().status());
  const std::shared_ptr<db::LedgerStore> store = pg::OpenLedgerStore(options);
  const auto token = std::make_shared<SoftwareToken>();
  Must(token->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning).status());
  const auto signers = std::make_shared<hsm::SignerPool>(token, hsm::SignerPoolOptions{});
  const SystemClock clock;
  ledger::SequencerOptions sequencing;
  sequencing.instance_id = "bench";
  ledger::Sequencer sequencer(store, token, signers, clock, sequencing);
  const auto key = sequencer.PublicKey();
  Must(key.status());

  AddAll(*store);
  PlaceAll(sequencer);
  ledger::Archive archive(store);
  MakeReceipts(archive, *key);
  CheckAll(store, *key);
  Wait(*store, sequencer);
  return 0;
}

}  // namespace
}  // namespace assay::test_support

int main() { return assay::test_support::Run(); }
