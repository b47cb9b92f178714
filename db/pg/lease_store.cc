#include "db/pg/lease_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 2;

// Whoever changes a lease holds its lot, as claims do.
const Statement kHold = {
    "lease_hold",
    "SELECT c.lot_id, c.open, c.capacity - c.claimed FROM lots l "
    "JOIN lot_claims c ON c.lot_id = l.id WHERE l.name = $1::text FOR UPDATE OF c"};
const Statement kKept = {
    "lease_kept",
    "SELECT coalesce(sum(count - used), 0)::bigint FROM lot_leases WHERE lot_id = $1::bigint "
    "AND released_at IS NULL AND expires_at > clock_timestamp()"};
const Statement kGrant = {
    "lease_grant",
    "INSERT INTO lot_leases (lot_id, line, count, actor, request_id, expires_at) "
    "VALUES ($1::bigint, $2::text, $3::bigint, $4::text, $5::text, "
    "clock_timestamp() + $6::bigint * interval '1 s')"};
const Statement kRelease = {
    "lease_release",
    "UPDATE lot_leases SET released_at = clock_timestamp() WHERE lot_id = $1::bigint AND "
    "id = $2::bigint AND released_at IS NULL AND expires_at > clock_timestamp()"};
const Statement kNoteLot = {
    "lease_note_lot",
    "UPDATE lot_claims SET leases = (SELECT count(*) FROM lot_leases WHERE lot_id = $1::bigint "
    "AND released_at IS NULL AND expires_at > clock_timestamp()) WHERE lot_id = $1::bigint"};
const std::string kColumns =
    "SELECT s.id, l.name, s.line, s.count, s.used, s.actor, s.granted_at, s.expires_at, "
    "s.released_at, clock_timestamp() FROM lots l JOIN lot_leases s ON s.lot_id = l.id ";
const Statement kOfAct = {"lease_of_act",
                          kColumns + "WHERE s.actor = $1::text AND s.request_id = $2::text"};
const Statement kOfId = {"lease_of_id", kColumns + "WHERE l.name = $1::text AND s.id = $2::bigint"};
const Statement kOfLot = {"lease_of_lot", kColumns + "WHERE l.name = $1::text ORDER BY s.id"};
const Statement kLot = {"lease_lot",
                        "SELECT id, clock_timestamp() FROM lots WHERE name = $1::text"};

db::LotLease LeaseAt(const Rows& rows, int i) {
  db::LotLease lease;
  lease.id = rows.Int(i, 0);
  lease.lot = rows.Text(i, 1);
  lease.line = rows.Text(i, 2);
  lease.count = static_cast<uint64_t>(rows.Int(i, 3));
  lease.used = static_cast<uint64_t>(rows.Int(i, 4));
  lease.actor = rows.Text(i, 5);
  lease.granted_at = rows.Time(i, 6);
  lease.expires_at = rows.Time(i, 7);
  if (!rows.IsNull(i, 8)) lease.released_at = rows.Time(i, 8);
  return lease;
}

absl::Status NoLot(const std::string& name) {
  return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
}

class PgLeaseStore final : public db::LotLeaseStore {
 public:
  explicit PgLeaseStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<db::LotLease> GrantLease(const db::Act& act, const db::LotLease& lease,
                                          std::chrono::seconds lasts) override {
    if (!Storable(lease.lot) || !Storable(lease.line)) {
      return RefuseField(Reason::FIELD_MALFORMED, "line", lease.line,
                         "must be UTF-8 without a zero byte");
    }
    absl::StatusOr<db::LotLease> granted = absl::UnknownError("not run");
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      const auto state = RecordAct(transaction, act);
      if (!state.ok()) return state.status();
      if (*state == ActState::kDoneBefore) {
        transaction.Discard();
      } else {
        ASSAY_RETURN_IF_ERROR(Grant(transaction, act, lease, lasts));
        WriteActEntry(transaction, act);
      }
      const Rows rows = transaction.Run(kOfAct, Params().Text(act.actor).Text(act.request_id));
      if (rows.empty()) return NoLot(lease.lot);
      granted = LeaseAt(rows, 0);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return granted;
  }

  absl::StatusOr<db::LotLease> ReleaseLease(const db::Act& act, const std::string& lot,
                                            int64_t id) override {
    if (!Storable(lot)) return NoLot("");
    absl::StatusOr<db::LotLease> released = absl::UnknownError("not run");
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      const auto state = RecordAct(transaction, act);
      if (!state.ok()) return state.status();
      const Rows held = transaction.Run(kHold, Params().Text(lot));
      if (held.empty()) return NoLot(lot);
      const Params key = Params().Int(held.Int(0, 0)).Int(id);
      const bool ended = *state == ActState::kNew && transaction.Run(kRelease, key).affected() == 1;
      const Rows rows = transaction.Run(kOfId, Params().Text(lot).Int(id));
      if (rows.empty()) {
        return RefuseField(Reason::LEASE_UNKNOWN, "id", absl::StrCat(id),
                           "the lot has no such lease");
      }
      released = LeaseAt(rows, 0);
      if (ended) {
        transaction.Run(kNoteLot, Params().Int(held.Int(0, 0)));
        WriteActEntry(transaction, act);
      } else {
        transaction.Discard();
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return released;
  }

  absl::StatusOr<Listed> ListLeases(const std::string& lot) override {
    Listed listed;
    const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) -> absl::Status {
      listed = {};
      const Rows found = session.Run(kLot, Params().Text(Storable(lot) ? lot : ""));
      if (found.empty()) return NoLot(lot);
      listed.now = found.Time(0, 1);
      const Rows rows = session.Run(kOfLot, Params().Text(lot));
      for (int i = 0; i < rows.size(); ++i) listed.leases.push_back(LeaseAt(rows, i));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return listed;
  }

 private:
  static absl::Status Grant(Transaction& transaction, const db::Act& act, const db::LotLease& lease,
                            std::chrono::seconds lasts) {
    const Rows held = transaction.Run(kHold, Params().Text(lease.lot));
    if (held.empty()) return NoLot(lease.lot);
    if (!held.Bool(0, 1)) {
      return RefuseField(Reason::LOT_NOT_OPEN, "lot", lease.lot, "the lot is closed");
    }
    const Params lot = Params().Int(held.Int(0, 0));
    const int64_t free =
        std::max<int64_t>(0, held.Int(0, 2) - transaction.Run(kKept, lot).Int(0, 0));
    if (lease.count > static_cast<uint64_t>(free)) {
      return RefuseField(Reason::QUOTA_EXCEEDED, "count", absl::StrCat(lease.count),
                         absl::StrCat("the lot has ", free, " places that are in no lease"));
    }
    transaction.Run(kGrant, Params()
                                .Int(held.Int(0, 0))
                                .Text(lease.line)
                                .Int(static_cast<int64_t>(lease.count))
                                .Text(act.actor)
                                .Text(act.request_id)
                                .Int(lasts.count()));
    transaction.Run(kNoteLot, lot);
    return absl::OkStatus();
  }

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::LotLeaseStore> OpenLeaseStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgLeaseStore>(std::move(options));
}

}  // namespace assay::pg
