#include "db/pg/ledger_store.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/pool.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 4;

const Statement kTakeLease = {
    "ledger_lease",
    "UPDATE ledger_head SET holder = $1::text, lease_until = now() + $2::bigint * interval '1 ms' "
    "WHERE holder = $1::text OR lease_until <= now()"};
const Statement kEndLease = {
    "ledger_lease_end",
    "UPDATE ledger_head SET holder = '', lease_until = '-infinity' WHERE holder = $1::text"};
const Statement kHead = {
    "ledger_head",
    "SELECT size, root, (SELECT coalesce(max(seq), -1) + 1 FROM ledger_entries) FROM ledger_head"};
const Statement kPending = {
    "ledger_pending",
    "SELECT id, body, created_at FROM ledger_entries WHERE seq IS NULL AND id > $1::bigint "
    "ORDER BY id LIMIT $2::bigint"};
const Statement kAdvance = {
    "ledger_advance",
    "UPDATE ledger_head SET size = $4::bigint, root = $5::bytea WHERE holder = $1::text AND "
    "lease_until > now() AND size = $2::bigint AND root = $3::bytea"};
// The ids ascend, so that each finds its place among them. A join would do, but as long as few
// entries wait the planner would read all of the step's places for each of them: a second for two
// thousand.
const Statement kPlace = {
    "ledger_place",
    "UPDATE ledger_entries SET seq = ($2::bigint[])[width_bucket(id, $1::bigint[])], "
    "device = ($3::text[])[width_bucket(id, $1::bigint[])] "
    "WHERE id = ANY ($1::bigint[]) AND seq IS NULL"};
const Statement kTiles = {"ledger_tiles",
                          "INSERT INTO ledger_tiles (level, idx, hashes) "
                          "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) "
                          "ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes"};
const Statement kPublish = {
    "ledger_publish",
    "INSERT INTO ledger_checkpoints (size, root, note) "
    "SELECT $2::bigint, $3::bytea, $4::text FROM ledger_head h WHERE h.holder = $1::text AND "
    "h.lease_until > now() AND h.size >= $2::bigint AND "
    "NOT EXISTS (SELECT 1 FROM ledger_checkpoints c WHERE c.size >= $2::bigint)"};
// The note with its witnesses' lines.
const std::string kWithCosignatures =
    "SELECT c.size, c.root, c.note || coalesce((SELECT string_agg(w.line || E'\\n', '' "
    "ORDER BY w.name, w.key_id) FROM ledger_cosignatures w WHERE w.size = c.size), ''), "
    "c.published_at FROM ledger_checkpoints c ";
const Statement kLatest = {"ledger_latest", kWithCosignatures + "ORDER BY c.size DESC LIMIT 1"};
const Statement kFirstOf = {
    "ledger_first_of", kWithCosignatures + "WHERE c.size >= $1::bigint ORDER BY c.size LIMIT 1"};
const Statement kThin = {
    "ledger_thin",
    "DELETE FROM ledger_checkpoints WHERE published_at < now() - interval '1 day' AND size NOT IN "
    "(SELECT max(size) FROM ledger_checkpoints GROUP BY date_trunc('hour', published_at)) AND size "
    "NOT IN "
    "(SELECT size FROM ledger_cosignatures)"};
const Statement kLeaves = {
    "ledger_leaves",
    "SELECT seq, body, created_at FROM ledger_entries WHERE seq >= $1::bigint AND "
    "seq < $1::bigint + $2::bigint ORDER BY seq"};
const Statement kTile = {
    "ledger_tile", "SELECT hashes FROM ledger_tiles WHERE level = $1::bigint AND idx = $2::bigint"};
// No ORDER BY: it would tempt the planner to walk the places instead of the device's few rows.
const Statement kDevice = {"ledger_device",
                           "SELECT coalesce(seq, -1) FROM ledger_entries WHERE device = $1::text"};
const Statement kAdd = {
    "ledger_add", "INSERT INTO ledger_entries (kind, body) SELECT $1::text, unnest($2::text[])"};

absl::Status NotOurs() {
  return Refuse(Reason::STORE_UNAVAILABLE,
                "the ledger's lease or head is another replica's by now; nothing was added");
}

std::optional<db::LedgerCheckpoint> CheckpointOf(const Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return db::LedgerCheckpoint{static_cast<uint64_t>(rows.Int(0, 0)), rows.Digest(0, 1),
                              rows.Text(0, 2), rows.Time(0, 3)};
}

// A step's entries by ascending id, each with its place.
class PlaceColumns {
 public:
  explicit PlaceColumns(const db::LedgerStep& step) {
    std::vector<size_t> order(step.ids.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return step.ids[a] < step.ids[b]; });
    for (const size_t i : order) {
      ids_.push_back(step.ids[i]);
      places_.push_back(static_cast<int64_t>(step.from.size + i));
      devices_.push_back(i < step.devices.size() ? std::string_view(step.devices[i]) : "");
    }
  }
  Params AsParams() const { return Params().Ints(ids_).Ints(places_).TextsOrNull(devices_); }

 private:
  std::vector<int64_t> ids_, places_;
  std::vector<std::string_view> devices_;
};

class PgLedgerStore final : public db::LedgerStore {
 public:
  explicit PgLedgerStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<bool> TakeLease(const std::string& holder,
                                 std::chrono::milliseconds lease) override {
    bool taken = false;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      taken = transaction.Run(kTakeLease, Params().Text(holder).Int(lease.count())).affected() == 1;
      if (!taken) transaction.Discard();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return taken;
  }

  absl::Status EndLease(const std::string& holder) override {
    return Transact(pool_, [&](Transaction& transaction) {
      transaction.Run(kEndLease, Params().Text(holder));
      return absl::OkStatus();
    });
  }

  absl::StatusOr<db::LedgerHead> ReadHead() override {
    db::LedgerHead head;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows rows = session.Run(kHead);
      if (rows.size() != 1)
        return Refuse(Reason::LEDGER_FORKED, "the ledger's head row is missing");
      head.size = static_cast<uint64_t>(rows.Int(0, 0));
      head.root = rows.Digest(0, 1);
      const auto placed = static_cast<uint64_t>(rows.Int(0, 2));
      if (placed == head.size) return absl::OkStatus();
      return Refuse(Reason::LEDGER_FORKED, absl::StrCat("the head has ", head.size,
                                                        " entries, the last row says ", placed));
    });
    if (!status.ok()) return status;
    return head;
  }

  absl::StatusOr<std::vector<db::PendingEntry>> ReadPending(int64_t after_id, int limit) override {
    std::vector<db::PendingEntry> pending;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      const Rows rows = session.Run(kPending, Params().Int(after_id).Int(limit));
      pending.clear();
      for (int i = 0; i < rows.size(); ++i) {
        pending.push_back({rows.Int(i, 0), rows.Text(i, 1), rows.Time(i, 2)});
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return pending;
  }

  absl::Status Append(const std::string& holder, const db::LedgerStep& step) override {
    std::vector<int64_t> levels, indexes;
    std::vector<ByteView> hashes;
    for (const db::LedgerTile& tile : step.tiles) {
      levels.push_back(tile.level);
      indexes.push_back(static_cast<int64_t>(tile.index));
      hashes.push_back(tile.hashes);
    }
    const PlaceColumns columns(step);
    return Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      const int advanced = transaction
                               .Run(kAdvance, Params()
                                                  .Text(holder)
                                                  .Int(static_cast<int64_t>(step.from.size))
                                                  .Blob(step.from.root)
                                                  .Int(static_cast<int64_t>(step.to.size))
                                                  .Blob(step.to.root))
                               .affected();
      if (advanced != 1) return NotOurs();
      const int placed = transaction.Run(kPlace, columns.AsParams()).affected();
      if (static_cast<size_t>(placed) != step.ids.size()) {
        return Refuse(Reason::LEDGER_FORKED,
                      absl::StrCat(step.ids.size() - static_cast<size_t>(placed),
                                   " waiting entries vanished before they got their place"));
      }
      transaction.Run(kTiles, Params().Ints(levels).Ints(indexes).Blobs(hashes));
      return absl::OkStatus();
    });
  }

  absl::Status Publish(const std::string& holder, const db::LedgerCheckpoint& checkpoint) override {
    return Transact(pool_, [&](Transaction& transaction) {
      const Rows written = transaction.Run(kPublish, Params()
                                                         .Text(holder)
                                                         .Int(static_cast<int64_t>(checkpoint.size))
                                                         .Blob(checkpoint.root)
                                                         .Text(checkpoint.note));
      return written.affected() == 1 ? absl::OkStatus() : NotOurs();
    });
  }

  absl::StatusOr<std::optional<db::LedgerCheckpoint>> LatestCheckpoint() override {
    return OneCheckpoint(kLatest, Params());
  }
  absl::StatusOr<std::optional<db::LedgerCheckpoint>> FirstCheckpointOf(uint64_t size) override {
    return OneCheckpoint(kFirstOf, Params().Int(static_cast<int64_t>(size)));
  }

  absl::StatusOr<int> ThinCheckpoints() override {
    int gone = 0;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      gone = transaction.Run(kThin).affected();
      if (gone == 0) transaction.Discard();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return gone;
  }

  absl::StatusOr<std::vector<std::string>> ReadLeaves(uint64_t first, int count) override {
    std::vector<std::string> leaves;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows rows = session.Run(kLeaves, Params().Int(static_cast<int64_t>(first)).Int(count));
      leaves.clear();
      for (int i = 0; i < rows.size(); ++i) {
        const uint64_t place = first + leaves.size();
        if (static_cast<uint64_t>(rows.Int(i, 0)) != place) {
          return Refuse(Reason::LEDGER_FORKED, absl::StrCat("entry ", place, " is missing"));
        }
        leaves.push_back(db::LedgerLeaf(rows.Text(i, 1), rows.Time(i, 2)));
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return leaves;
  }

  absl::StatusOr<Bytes> ReadTile(int level, uint64_t index) override {
    Bytes hashes;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows rows = session.Run(kTile, Params().Int(level).Int(static_cast<int64_t>(index)));
      if (rows.empty()) {
        return RefuseField(Reason::LEDGER_UNKNOWN, "index", absl::StrCat(level, "/", index),
                           "there is no such tile");
      }
      hashes = rows.Blob(0, 0);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return hashes;
  }

  absl::StatusOr<std::vector<uint64_t>> FindDeviceEntries(const std::string& device_id) override {
    std::vector<uint64_t> places;
    if (!Storable(device_id)) return places;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      const Rows rows = session.Run(kDevice, Params().Text(device_id));
      places.clear();
      for (int i = 0; i < rows.size(); ++i) {
        if (rows.Int(i, 0) >= 0) places.push_back(static_cast<uint64_t>(rows.Int(i, 0)));
      }
      std::sort(places.begin(), places.end());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return places;
  }

  absl::Status AddEntries(std::string_view kind, std::span<const std::string> bodies) override {
    const std::vector<std::string_view> views(bodies.begin(), bodies.end());
    if (!std::all_of(views.begin(), views.end(), Storable)) {
      return Refuse(Reason::INTERNAL, "a ledger entry is not UTF-8");
    }
    return Transact(pool_, [&](Transaction& transaction) {
      transaction.Run(kAdd, Params().Text(kind).Texts(views));
      return absl::OkStatus();
    });
  }

 private:
  absl::StatusOr<std::optional<db::LedgerCheckpoint>> OneCheckpoint(const Statement& statement,
                                                                    const Params& params) {
    std::optional<db::LedgerCheckpoint> found;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      found = CheckpointOf(session.Run(statement, params));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::LedgerStore> OpenLedgerStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgLedgerStore>(std::move(options));
}

}  // namespace assay::pg
