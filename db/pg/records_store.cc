#include "db/pg/records_store.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/device_history.h"
#include "db/pg/manifest_rows.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 3;
// Rows one statement counts: none takes long, however large the lot.
constexpr int64_t kStride = 200'000;
// Devices nobody has decided about are counted from their own index.
const std::string kOfWaiting = "JOIN devices_waiting w ON w.row = d.row ";
// Entries of the ledger one Follow looks at.
constexpr int64_t kLookedAt = 2000;

const Statement kLot = {
    "records_lot",
    "SELECT l.id, c.capacity, c.claimed, r.sealed FROM lots l JOIN lot_claims c ON c.lot_id = l.id "
    "JOIN lot_results r ON r.lot_id = l.id WHERE l.name = $1::text"};
// Minutes of the factory's clock since its 1970, cut into days and shifts: bucket 0 is what comes
// before the day's first shift and belongs to the last one of the day before.
const std::string kBucket =
    " / 1440 AS day, width_bucket(q.minute % 1440, $3::bigint[])::bigint AS shift ";
const Statement kShifts = {
    "records_shifts",
    "SELECT q.line, q.minute" + kBucket +
        ", count(*), count(*) FILTER (WHERE q.said = 2), count(*) FILTER (WHERE q.said = 3), "
        "count(*) FILTER (WHERE q.state = 1), count(*) FILTER (WHERE q.state = 4), "
        "count(*) FILTER (WHERE q.returned) FROM ("
        "SELECT a.line, floor(extract(epoch FROM d.sealed_at) / 60)::bigint + $4::bigint AS "
        "minute, coalesce(x.state, 1) AS state, coalesce(x.returned, false) AS returned, "
        "CASE WHEN x.state IN (2, 3) THEN x.state WHEN x.outcome IS NOT NULL THEN x.outcome "
        "WHEN x.confirmed_at IS NOT NULL THEN 2 END AS said "
        "FROM devices d JOIN attempts a ON a.id = d.attempt_id "
        "LEFT JOIN device_outcomes x ON x.row = d.row "
        "WHERE d.row > $1::bigint AND d.row < $2::bigint) q GROUP BY 1, 2, 3"};
const Statement kUnsealed = {
    "records_unsealed",
    "SELECT q.line, q.minute" + kBucket +
        ", count(*) FILTER (WHERE NOT q.open), count(*) FILTER (WHERE q.open) FROM ("
        "SELECT line, floor(extract(epoch FROM intended_at) / 60)::bigint + $2::bigint AS minute, "
        "false AS open FROM attempts WHERE lot_id = $1::bigint AND NOT live UNION ALL "
        "SELECT a.line, floor(extract(epoch FROM a.intended_at) / 60)::bigint + $2::bigint, true "
        "FROM open_intents o JOIN attempts a ON a.id = o.attempt_id WHERE o.lot_id = $1::bigint) q "
        "GROUP BY 1, 2, 3"};
const Statement kHead = {"records_head", "SELECT size FROM ledger_head"};
const Statement kSpan = {
    "records_span",
    "SELECT coalesce(max(seq), $1::bigint - 1) + 1 FROM (SELECT seq FROM ledger_entries "
    "WHERE seq >= $1::bigint ORDER BY seq LIMIT $2::bigint) q"};

// Adds up what the statements find, by line, day and shift.
class Account {
 public:
  explicit Account(const db::ShiftPlan& plan) : plan_(plan) {
    for (const int start : plan.starts) starts_.push_back(start);
    if (starts_.empty()) starts_.push_back(0);
  }
  const std::vector<int64_t>& starts() const { return starts_; }

  db::ReconciledShift& At(const Rows& rows, int i) {
    int64_t day = rows.Int(i, 1), shift = rows.Int(i, 2);
    if (shift == 0) {
      --day;
      shift = static_cast<int64_t>(starts_.size());
    }
    const std::string line = rows.Text(i, 0);
    db::ReconciledShift& found = shifts_[{line, day, shift}];
    if (found.line.empty() && found.start == absl::Time()) {
      const auto count = static_cast<int64_t>(starts_.size());
      const int64_t next = shift < count ? starts_[static_cast<size_t>(shift)] : 1440 + starts_[0];
      found.line = line;
      found.start = TimeOf(day, starts_[static_cast<size_t>(shift - 1)]);
      found.end = TimeOf(day, next);
    }
    return found;
  }

  std::vector<db::ReconciledShift> Take() {
    std::vector<db::ReconciledShift> all;
    for (auto& [key, shift] : shifts_) all.push_back(std::move(shift));
    return all;
  }

 private:
  absl::Time TimeOf(int64_t day, int64_t minute) const {
    return absl::FromUnixSeconds((day * 1440 + minute - plan_.utc_offset_minutes) * 60);
  }

  const db::ShiftPlan& plan_;
  std::vector<int64_t> starts_;
  std::map<std::tuple<std::string, int64_t, int64_t>, db::ReconciledShift> shifts_;
};

uint64_t Count(const Rows& rows, int i, int column) {
  return static_cast<uint64_t>(rows.Int(i, column));
}

class PgRecordsStore final : public db::RecordsStore {
 public:
  explicit PgRecordsStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<uint64_t> CountDevices(const db::DeviceFilter& filter) override {
    ASSAY_RETURN_IF_ERROR(CheckFilter(filter));
    int64_t total = 0;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      total = 0;
      const std::vector<FilteredLot> lots = LotsOf(session, filter, 0);
      const RowConditions conditions(session, filter);
      if (conditions.few()) {
        total = CountFew(session, conditions, lots);
        return absl::OkStatus();
      }
      for (const FilteredLot& lot : lots) {
        if (conditions.none()) {
          total += lot.sealed;
          continue;
        }
        const int64_t end = (lot.id << 32) + lot.sealed + 1;
        for (int64_t after = lot.id << 32; after + 1 < end; after += kStride) {
          Params params = Params().Int(after).Int(std::min(end, after + kStride + 1));
          const std::string text = conditions.Text(3, params);
          total += session
                       .Run(Kept(conditions.Name("device_count"),
                                 "SELECT count(*) " + kManifestTables +
                                     (conditions.waiting() ? kOfWaiting : std::string()) +
                                     "WHERE d.row > $1::bigint AND d.row < $2::bigint" + text),
                            params)
                       .Int(0, 0);
        }
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return static_cast<uint64_t>(total);
  }

  absl::StatusOr<db::LotAccount> Reconcile(const std::string& lot,
                                           const db::ShiftPlan& plan) override {
    db::LotAccount account;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows found = session.Run(kLot, Params().Text(Storable(lot) ? lot : ""));
      if (found.empty()) return RefuseField(Reason::LOT_UNKNOWN, "lot", lot, "no such lot");
      account.count = Count(found, 0, 1);
      account.claimed = Count(found, 0, 2);
      Account shifts(plan);
      const int64_t first = found.Int(0, 0) << 32, end = first + found.Int(0, 3) + 1;
      for (int64_t after = first; after + 1 < end; after += kStride) {
        AddSealed(session, after, std::min(end, after + kStride + 1), plan, shifts);
      }
      const Rows unsealed = session.Run(
          kUnsealed,
          Params().Int(found.Int(0, 0)).Int(plan.utc_offset_minutes).Ints(shifts.starts()));
      for (int i = 0; i < unsealed.size(); ++i) {
        db::ReconciledShift& shift = shifts.At(unsealed, i);
        shift.voided += Count(unsealed, i, 3);
        shift.open += Count(unsealed, i, 4);
      }
      account.shifts = shifts.Take();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return account;
  }

  absl::StatusOr<std::vector<db::DeviceEvent>> FindHistory(const std::string& device_id) override {
    absl::StatusOr<std::vector<db::DeviceEvent>> events = absl::UnknownError("not run");
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      events = ReadHistory(session, device_id);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return events;
  }

  absl::StatusOr<db::Followed> Follow(const db::DeviceFilter& filter, std::optional<uint64_t> from,
                                      int limit) override {
    ASSAY_RETURN_IF_ERROR(CheckFilter(filter));
    db::Followed followed;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      followed = {};
      if (!from) {
        followed.next = Count(session.Run(kHead), 0, 0);
        return absl::OkStatus();
      }
      const auto first = static_cast<int64_t>(*from);
      const int64_t end = session.Run(kSpan, Params().Int(first).Int(kLookedAt)).Int(0, 0);
      ReadEvents(session, filter, first, end, limit, followed);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return followed;
  }

 private:
  static int64_t CountFew(Session& session, const RowConditions& conditions,
                          const std::vector<FilteredLot>& lots) {
    std::vector<int64_t> ids;
    for (const FilteredLot& lot : lots) ids.push_back(lot.id);
    Params params = Params().Ints(ids);
    const std::string text = conditions.Text(2, params);
    return session
        .Run(Kept(conditions.Name("device_count_few"), "SELECT count(*) " + kManifestTables +
                                                           "WHERE a.lot_id = ANY ($1::bigint[])" +
                                                           text),
             params)
        .Int(0, 0);
  }

  static void AddSealed(Session& session, int64_t after, int64_t before, const db::ShiftPlan& plan,
                        Account& shifts) {
    const Rows rows = session.Run(
        kShifts,
        Params().Int(after).Int(before).Ints(shifts.starts()).Int(plan.utc_offset_minutes));
    for (int i = 0; i < rows.size(); ++i) {
      db::ReconciledShift& shift = shifts.At(rows, i);
      shift.issued += Count(rows, i, 3);
      shift.confirmed += Count(rows, i, 4);
      shift.scrapped += Count(rows, i, 5);
      shift.missing += Count(rows, i, 6);
      shift.revoked += Count(rows, i, 7);
      shift.returned += Count(rows, i, 8);
    }
  }

  static void ReadEvents(Session& session, const db::DeviceFilter& filter, int64_t first,
                         int64_t end, int limit, db::Followed& followed) {
    std::vector<int64_t> ids;
    for (const FilteredLot& lot : LotsOf(session, filter, 0)) ids.push_back(lot.id);
    const RowConditions conditions(session, filter);
    Params params = Params().Int(first).Int(end).Ints(ids).Int(limit + 1);
    const std::string text = conditions.Text(5, params);
    const Rows rows = session.Run(
        Kept(conditions.Name("records_follow"),
             "WITH e AS MATERIALIZED (SELECT seq, created_at, kind, device FROM ledger_entries "
             "WHERE seq >= $1::bigint AND seq < $2::bigint AND device IS NOT NULL) " +
                 kManifestColumns + ", e.seq, e.created_at, e.kind " + kManifestTables +
                 "JOIN e ON e.device = a.device_id WHERE a.lot_id = ANY ($3::bigint[])" + text +
                 " ORDER BY e.seq LIMIT $4::bigint"),
        params);
    followed.next = static_cast<uint64_t>(end);
    for (int i = 0; i < rows.size(); ++i) {
      const uint64_t index = Count(rows, i, kManifestWidth);
      if (i == limit) {
        followed.next = index;
        break;
      }
      followed.events.push_back({index, rows.Time(i, kManifestWidth + 1),
                                 rows.Text(i, kManifestWidth + 2), RowAt(rows, i)});
    }
  }

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::RecordsStore> OpenRecordsStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgRecordsStore>(std::move(options));
}

}  // namespace assay::pg
