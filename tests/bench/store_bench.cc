// Identities a second through the store alone: intent and seal, with synchronous commit and fsync.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "db/pg/migrate.h"
#include "db/pg/pg_store.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/store_samples.h"

namespace assay::test_support {
namespace {

constexpr size_t kSealedSize = 4096;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

db::Store& Store() {
  static const auto cluster = [] {
    auto started = PostgresCluster::Start({.durable = true, .settings = {}});
    if (!started.ok()) Fail(started.status());
    return *std::move(started);
  }();
  static const auto store = [] {
    pg::PgOptions options;
    options.dsn = cluster->NewDatabase();
    if (const auto applied = pg::Migrator(options).Apply(); !applied.ok()) Fail(applied.status());
    return pg::OpenStore(options);
  }();
  return *store;
}

// The first argument is the size of a batch; each thread works as one of the pipeline's database
// threads does, all on one lot.
void IntentAndSeal(benchmark::State& state) {
  static const int64_t lot = OpenSampleLot(Store(), "bench", 4000000000);
  static std::atomic<int64_t> last_ticket{0};
  const auto batch = static_cast<size_t>(state.range(0));
  int64_t sealed = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<db::Intent> intents;
    for (size_t i = 0; i < batch; ++i) {
      intents.push_back(SampleIntent(lot, absl::StrCat("bench-", ++last_ticket)));
    }
    std::vector<db::Seal> seals;
    for (const db::Intent& intent : intents) seals.push_back(SampleSeal(0, intent, kSealedSize));
    state.ResumeTiming();
    const auto attempts = Store().RecordIntents(intents, "bench");
    for (size_t i = 0; i < batch; ++i) {
      if (!attempts[i].ok()) return state.SkipWithError(attempts[i].status().ToString().c_str());
      seals[i].attempt_id = *attempts[i];
    }
    for (const absl::Status& status : Store().SealTickets(seals)) {
      if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
    }
    sealed += static_cast<int64_t>(batch);
  }
  state.SetItemsProcessed(sealed);
}
BENCHMARK(IntentAndSeal)->Arg(1)->Arg(16)->Arg(64)->Arg(256)->Threads(1)->Threads(4)->UseRealTime();

// What every retry costs.
void FindSealed(benchmark::State& state) {
  const int64_t lot = OpenSampleLot(Store(), "bench-find", 1000000);
  const auto batch = static_cast<size_t>(state.range(0));
  std::vector<db::TicketKey> keys;
  for (size_t i = 0; i < batch; ++i) {
    const db::Intent intent = SampleIntent(lot, absl::StrCat("find-", state.range(0), "-", i));
    const auto attempt = Store().RecordIntents({&intent, 1}, "bench")[0];
    if (attempt.ok()) {
      const db::Seal seal = SampleSeal(*attempt, intent, kSealedSize);
      (void)Store().SealTickets({&seal, 1});
    }
    keys.push_back({lot, intent.ticket});
  }
  for (auto _ : state) benchmark::DoNotOptimize(Store().FindTickets(keys));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * batch));
}
BENCHMARK(FindSealed)->Arg(1)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace assay::test_support

BENCHMARK_MAIN();
