// How long an auditor waits for a page, at ten thousand rows and at a million, and how many rows a
// second an export reads and writes as text. On a PostgreSQL of its own; rows are made by SQL.
//   assay_records_bench [rows of the large lot, default 1000000]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "db/pg/pg_store.h"
#include "db/pg/records_store.h"
#include "server/rpc/export_text.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/store_fixture.h"
#include "tests/support/store_samples.h"

namespace assay {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPages = 300, kPageRows = 100;

void Sql(const std::string& dsn, const std::string& sql) {
  const auto done = test_support::PostgresCluster::Execute(dsn, sql);
  if (done.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(done.status().message()).c_str());
  std::exit(1);
}

void Fill(const std::string& dsn, int64_t lot, uint64_t rows) {
  const std::string id = absl::StrCat(lot);
  Sql(dsn,
      absl::StrCat(
          "INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, "
          "serial_number, dac_serial, public_key_sha256, tbs_sha256, pai, instance_id) SELECT ",
          id, ", 't' || g, 'line-' || g % 4, 'spiffe://bench/line', sha256((", id,
          " || 'r' || g)::bytea), md5(", id, " || 'd' || g), 'SN' || lpad(g::text, 9, '0'), ",
          "substring(sha256((", id, " || 's' || g)::bytea) FROM 1 FOR 20), sha256((", id,
          " || 'k' || g)::bytea), sha256((", id, " || 'b' || g)::bytea), 'pai', 'bench' ",
          "FROM generate_series(1, ", rows, ") g"));
  Sql(dsn,
      absl::StrCat(
          "INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, image_sha256, "
          "image_signature, codes, sealed_at) SELECT (",
          id,
          "::bigint << 32) + q.n, q.id, q.n % "
          "4096, sha256(q.ticket::bytea), decode(repeat('30', 300), 'hex') || "
          "'\\x0603551d0e04160414'::bytea || substring(sha256((",
          id,
          " || q.ticket)::bytea) FROM 1 FOR 20) || decode(repeat('31', 150), 'hex'), "
          "sha256(q.ticket::bytea), decode(repeat('32', 700), 'hex'), decode(repeat('33', 60), "
          "'hex'), now() - interval '1 s' * (",
          rows,
          " - q.n) FROM (SELECT id, ticket, "
          "row_number() OVER (ORDER BY id) AS n FROM attempts WHERE lot_id = ",
          id, ") q"));
  Sql(dsn,
      absl::StrCat("INSERT INTO device_outcomes (row, state, actor, confirmed_at) SELECT (", id,
                   "::bigint << 32) + g, CASE WHEN g % 1000 = 0 THEN 3 ELSE 2 END, 'x', now() "
                   "FROM generate_series(1, ",
                   rows, ") g WHERE g % 20 <> 0 OR g % 1000 = 0"));
  Sql(dsn, absl::StrCat("UPDATE lot_results SET sealed = ", rows, " WHERE lot_id = ", id));
  Sql(dsn, absl::StrCat("UPDATE lot_claims SET claimed = ", rows, " WHERE lot_id = ", id));
}

struct Timed {
  double median = 0, p99 = 0;
};

Timed Measure(int count, const std::function<void(int)>& work) {
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    const auto begun = Steady::now();
    work(i);
    took.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begun).count());
  }
  std::sort(took.begin(), took.end());
  return {took[took.size() / 2], took[took.size() * 99 / 100]};
}

void Pages(db::Store& store, const std::string& lot, int64_t id, uint64_t rows) {
  const auto ask = [&](const db::DeviceFilter& filter, int64_t after) {
    const auto page = store.ListDevices(filter, after, kPageRows);
    if (page.ok()) return page->size();
    std::fprintf(stderr, "%s\n", std::string(page.status().message()).c_str());
    std::exit(1);
  };
  const auto somewhere = [&](int i) {
    return (id << 32) + static_cast<int64_t>(rows * static_cast<uint64_t>(i) / kPages);
  };
  const auto tell = [&](const char* what, const Timed& timed) {
    std::printf("%-34s %9llu rows  median %8.2f ms  p99 %8.2f ms\n", what,
                static_cast<unsigned long long>(rows), timed.median, timed.p99);
  };
  db::DeviceFilter filter;
  filter.lot = lot;
  tell("page of a lot", Measure(kPages, [&](int i) { ask(filter, somewhere(i)); }));
  filter.line = "line-2";
  tell("page of a line", Measure(kPages, [&](int i) { ask(filter, somewhere(i)); }));
  filter.line.clear();
  filter.state = db::DeviceState::kScrapped;
  tell("page of scrapped ones", Measure(kPages, [&](int i) { ask(filter, somewhere(i)); }));
  filter.state = db::DeviceState::kSealed;
  tell("page of missing ones", Measure(kPages, [&](int i) { ask(filter, somewhere(i)); }));
  filter.state.reset();
  filter.serial_number_from = absl::StrCat("SN", std::string(6, '0'), "123");
  filter.serial_number_until = absl::StrCat("SN", std::string(6, '0'), "456");
  tell("page of a range of serial numbers", Measure(kPages, [&](int) { ask(filter, 0); }));
  filter = {};
  filter.serial_number = "SN000004321";
  tell("one serial number, all lots", Measure(kPages, [&](int) { ask(filter, 0); }));
  filter = {};
  filter.lot = lot;
  filter.sealed_from = absl::Now() - absl::Minutes(30);
  tell("page of the last half hour", Measure(kPages, [&](int) { ask(filter, 0); }));
}

void Export(db::Store& store, db::RecordsStore& records, const std::string& lot) {
  db::DeviceFilter filter;
  filter.lot = lot;
  const auto begun = Steady::now();
  const auto total = records.CountDevices(filter);
  const auto counted = Steady::now();
  uint64_t rows = 0, bytes = 0;
  int64_t after = 0;
  while (true) {
    const auto page = store.ListDevices(filter, after, 500);
    if (!page.ok() || page->empty()) break;
    std::string text;
    for (const db::ManifestRow& stored : *page) {
      v1::ManifestRow row;
      row.set_device_id(stored.device_id);
      row.set_ticket(stored.ticket);
      row.set_lot(stored.lot);
      row.set_line(stored.line);
      row.set_serial_number(stored.serial_number);
      row.set_dac_serial(ToText(stored.dac_serial));
      row.set_image_signature(ToText(stored.image_signature));
      rpc::AppendCsv(row, false, text);
      after = stored.row;
    }
    rows += page->size();
    bytes += text.size();
  }
  const double took = std::chrono::duration<double>(Steady::now() - counted).count();
  std::printf("count of %llu rows: %.1f ms\nread and written as CSV: %.0f rows/s, %.1f MB/s\n",
              static_cast<unsigned long long>(total.ok() ? *total : 0),
              std::chrono::duration<double, std::milli>(counted - begun).count(),
              static_cast<double>(rows) / took, static_cast<double>(bytes) / took / 1e6);
}

void Run(uint64_t large) {
  const pg::PgOptions options = test_support::NewMigratedDatabase();
  const auto store = pg::OpenStore(options);
  const auto records = pg::OpenRecordsStore(options);
  const int64_t small_lot = test_support::OpenSampleLot(*store, "small", 10'000);
  Fill(options.dsn, small_lot, 10'000);
  Sql(options.dsn, "ANALYZE");
  Pages(*store, "small", small_lot, 10'000);
  const int64_t large_lot = test_support::OpenSampleLot(*store, "large", large);
  Fill(options.dsn, large_lot, large);
  Sql(options.dsn, "ANALYZE");
  Pages(*store, "large", large_lot, large);
  Export(*store, *records, "large");
  const auto begun = Steady::now();
  const auto account = records->Reconcile("large", {{360, 840, 1320}, 0});
  std::printf("account of the lot: %.0f ms, %zu lines\n",
              std::chrono::duration<double, std::milli>(Steady::now() - begun).count(),
              account.ok() ? account->shifts.size() : 0);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::Run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000);
  return 0;
}
