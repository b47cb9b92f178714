// What an identity costs in PostgreSQL's and in the store's own processor time: ticket looked up,
// claim with intent, seal with manifest row and ledger entry, the entry's place in the ledger; all
// on one lot, with fsync. Processor time and not rates, so that two programs can be compared on a
// machine that is busy otherwise.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "db/pg/ledger_store.h"
#include "db/pg/migrate.h"
#include "db/pg/pg_store.h"
#include "server/ledger/sequencer.h"
#include "tests/bench/load/cpu.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/software_token.h"
#include "tests/support/store_samples.h"

namespace assay::test_support {
namespace {

using Steady = std::chrono::steady_clock;

struct Plan {
  std::string dsn;  // empty: a cluster of its own
  int rows = 20000, warm = 2000, batch = 10, threads = 2, rounds = 1;
  bool confirm = false;
};

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// As large as an identity's rows are in the whole service.
struct Sample {
  db::Intent intent;
  db::Seal seal;
};
Sample MakeSample(int64_t lot, int number, const std::string& run) {
  Sample sample;
  sample.intent = SampleIntent(lot, absl::StrCat("cost-", run, "-", number));
  const Sha256Digest seed = Sha256(AsBytes(absl::StrCat(run, number)));
  sample.intent.dac_serial = ToBytes(ByteView(seed).first(20));
  sample.intent.device_id = ToHex(ByteView(seed).first(16));
  sample.intent.serial_number = absl::StrCat("SN-", ToHex(ByteView(seed).subspan(16)));
  sample.intent.setup_code_digest = ToBytes(Sha256(AsBytes("code " + sample.intent.device_id)));
  sample.seal = SampleSeal(0, sample.intent, 4400);
  sample.seal.ledger_entry =
      absl::StrCat("{\"device\":\"", sample.intent.device_id, "\",\"kind\":\"issue\",\"rest\":\"",
                   std::string(660, 'x'), "\"}");
  return sample;
}

class Cost {
 public:
  Cost(const Plan& plan, const std::string& dsn) : plan_(plan), dsn_(dsn) {
    pg::PgOptions options;
    options.dsn = dsn;
    Must(pg::Migrator(options).Apply().status());
    store_ = pg::OpenStore(options);
    ledger_ = pg::OpenLedgerStore(options);
    run_ = absl::StrCat(Steady::now().time_since_epoch().count());
    OpenLot();
    // Signed by the key of a program that has ended.
    (void)Ask("DELETE FROM ledger_checkpoints");
  }

  void Run() {
    const auto token = std::make_shared<SoftwareToken>();
    Must(token->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning).status());
    const SystemClock clock;
    ledger::SequencerOptions sequencing;
    sequencing.instance_id = "cost-" + run_;
    ledger::Sequencer sequencer(ledger_, token,
                                std::make_shared<hsm::SignerPool>(token, hsm::SignerPoolOptions{}),
                                clock, sequencing);
    std::atomic<bool> ending{false};
    std::thread rounds([&] {
      while (!ending) {
        Must(sequencer.RunOnce());
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
      }
    });
    Issue(plan_.warm);
    for (int round = 0; round < plan_.rounds; ++round) Measure();
    ending = true;
    rounds.join();
  }

 private:
  void OpenLot() {
    db::Act act = SampleAct("product.apply", "lamp");
    act.request_id += run_;
    Must(store_->ApplyProduct(act, SampleProduct()).status());
    act = SampleAct("lot.open", "cost-" + run_);
    act.request_id += run_;
    const auto lot = store_->OpenLot(act, SampleLot("cost-" + run_, 4'000'000'000));
    Must(lot.status());
    lot_ = lot->id;
  }
  std::string Ask(const std::string& sql) const {
    const auto answer = PostgresCluster::Execute(dsn_, sql);
    Must(answer.status());
    return *answer;
  }
  pid_t Postmaster() const {
    return std::atoi(Ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").c_str());
  }

  void Measure() {
    bench::CpuWatch watch;
    watch.Add("postgres", Postmaster());
    const double wal = std::atof(Ask("SELECT pg_current_wal_insert_lsn() - '0/0'").c_str());
    making_ = 0;
    const auto begun = Steady::now();
    const bench::CpuReading before = watch.Read();
    Issue(plan_.rows);
    const bench::CpuReading spent = watch.Read() - before;
    const double took = std::chrono::duration<double>(Steady::now() - begun).count();
    const double bytes = std::atof(Ask("SELECT pg_current_wal_insert_lsn() - '0/0'").c_str()) - wal;
    const auto us = [&](double seconds) { return seconds * 1e6 / plan_.rows; };
    std::printf(
        "batch %d, %d threads: PostgreSQL %.0f us, store %.0f us, %.0f WAL bytes an identity; "
        "%.0f a second\n",
        plan_.batch, plan_.threads, us(spent.of.at("postgres")),
        us(spent.of.at("client") - making_), bytes / plan_.rows, plan_.rows / took);
    std::fflush(stdout);
  }

  static double ThreadSeconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }

  void Issue(int rows) {
    std::atomic<int> left{rows};
    std::vector<std::thread> threads;
    for (int i = 0; i < plan_.threads; ++i) {
      threads.emplace_back([&] {
        double making = 0;
        while (left.fetch_sub(plan_.batch) > 0) making += IssueBatch();
        const std::lock_guard lock(mutex_);
        making_ += making;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Returns the seconds that making the samples took.
  double IssueBatch() {
    const double begun = ThreadSeconds();
    std::vector<db::Intent> intents;
    std::vector<db::Seal> seals;
    std::vector<db::TicketKey> keys;
    for (int i = 0; i < plan_.batch; ++i) {
      Sample sample = MakeSample(lot_, ++last_, run_);
      keys.push_back({lot_, sample.intent.ticket});
      intents.push_back(std::move(sample.intent));
      seals.push_back(std::move(sample.seal));
    }
    const double making = ThreadSeconds() - begun;
    for (const auto& view : store_->FindTickets(keys)) Must(view.status());
    const auto attempts = store_->RecordIntents(intents, "cost");
    for (size_t i = 0; i < seals.size(); ++i) {
      Must(attempts[i].status());
      seals[i].attempt_id = *attempts[i];
    }
    for (const absl::Status& status : store_->SealTickets(seals)) Must(status);
    if (!plan_.confirm) return making;
    std::vector<db::Confirmation> confirmations;
    for (const db::TicketKey& key : keys) {
      db::Confirmation one;
      one.lot_id = key.lot_id;
      one.ticket = key.ticket;
      one.actor = "spiffe://assay.test/line/1";
      one.outcome = db::DeviceState::kProvisioned;
      confirmations.push_back(std::move(one));
    }
    for (const auto& result : store_->ConfirmDevices(confirmations)) Must(result.status());
    return making;
  }

  const Plan& plan_;
  const std::string dsn_;
  std::shared_ptr<db::Store> store_;
  std::shared_ptr<db::LedgerStore> ledger_;
  std::string run_;
  int64_t lot_ = 0;
  std::atomic<int> last_{0};
  std::mutex mutex_;
  double making_ = 0;
};

int Run(int argc, char** argv) {
  Plan plan;
  CLI::App app("Processor time an identity costs in PostgreSQL and in the store");
  app.add_option("--dsn", plan.dsn,
                 "a database to use, by its superuser; otherwise a cluster of its own");
  app.add_option("--rows", plan.rows, "identities a round");
  app.add_option("--warm", plan.warm, "identities before the first round");
  app.add_option("--batch", plan.batch, "identities a transaction");
  app.add_option("--threads", plan.threads, "batches at once");
  app.add_option("--rounds", plan.rounds);
  app.add_flag("--confirm", plan.confirm, "confirm them too");
  CLI11_PARSE(app, argc, argv);
  std::unique_ptr<PostgresCluster> cluster;
  if (plan.dsn.empty()) {
    auto started = PostgresCluster::Start({.durable = true, .settings = {"shared_buffers=256MB"}});
    Must(started.status());
    cluster = *std::move(started);
    plan.dsn = cluster->NewDatabase();
  }
  Cost(plan, plan.dsn).Run();
  return 0;
}

}  // namespace
}  // namespace assay::test_support

int main(int argc, char** argv) { return assay::test_support::Run(argc, argv); }
