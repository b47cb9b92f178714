#include "db/pg/witness_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/pool.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 2;

// Adders of one checkpoint wait for each other, so that the bound holds.
const Statement kHold = {"witness_hold",
                         "SELECT 1 FROM ledger_checkpoints WHERE size = $1::bigint FOR UPDATE"};
const Statement kAdd = {
    "witness_add",
    "INSERT INTO ledger_cosignatures (size, name, key_id, verifier_key, line, actor) "
    "VALUES ($1::bigint, $2::text, $3::bytea, $4::text, $5::text, $6::text) "
    "ON CONFLICT (size, name, key_id) DO NOTHING"};
const Statement kCount = {"witness_count",
                          "SELECT count(*) FROM ledger_cosignatures WHERE size = $1::bigint"};
const Statement kNewest = {
    "witness_newest",
    "SELECT c.size, c.root, c.note || (SELECT string_agg(w.line || E'\\n', '' ORDER BY w.name, "
    "w.key_id) FROM ledger_cosignatures w WHERE w.size = c.size), c.published_at FROM "
    "ledger_checkpoints c WHERE c.size = (SELECT size FROM ledger_cosignatures GROUP BY size "
    "HAVING count(*) >= $1::bigint ORDER BY size DESC LIMIT 1)"};
const Statement kKeys = {"witness_keys",
                         "SELECT verifier_key FROM ledger_cosignatures WHERE size = $1::bigint "
                         "ORDER BY name, key_id"};
const Statement kAt = {
    "witness_at",
    "SELECT size, root, note, published_at FROM ledger_checkpoints WHERE size = $1::bigint"};

db::LedgerCheckpoint CheckpointOf(const Rows& rows) {
  return {static_cast<uint64_t>(rows.Int(0, 0)), rows.Digest(0, 1), rows.Text(0, 2),
          rows.Time(0, 3)};
}

class PgWitnessStore final : public db::WitnessStore {
 public:
  explicit PgWitnessStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<int> AddCosignature(const db::Cosignature& one) override {
    if (!Storable(one.name) || !Storable(one.line) || !Storable(one.verifier_key) ||
        !Storable(one.actor)) {
      return RefuseField(Reason::FIELD_MALFORMED, "note", "", "must be UTF-8 without a zero byte");
    }
    int count = 0;
    const auto size = static_cast<int64_t>(one.size);
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      if (transaction.Run(kHold, Params().Int(size)).empty()) {
        return RefuseField(Reason::LEDGER_UNKNOWN, "note", absl::StrCat(one.size),
                           "no checkpoint of this size is kept");
      }
      transaction.Run(kAdd, Params()
                                .Int(size)
                                .Text(one.name)
                                .Blob(one.key_id)
                                .Text(one.verifier_key)
                                .Text(one.line)
                                .Text(one.actor));
      count = static_cast<int>(transaction.Run(kCount, Params().Int(size)).Int(0, 0));
      if (count <= kMostCosignatures) return absl::OkStatus();
      return Refuse(Reason::OVERLOADED,
                    absl::StrCat("the checkpoint has ", kMostCosignatures, " cosignatures"));
    });
    if (!status.ok()) return status;
    return count;
  }

  absl::StatusOr<std::optional<db::CosignedCheckpoint>> NewestCosigned(int least) override {
    std::optional<db::CosignedCheckpoint> found;
    const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
      found.reset();
      const Rows rows = session.Run(kNewest, Params().Int(least));
      if (rows.empty()) return absl::OkStatus();
      found = db::CosignedCheckpoint{CheckpointOf(rows), {}};
      const Rows keys = session.Run(kKeys, Params().Int(rows.Int(0, 0)));
      for (int i = 0; i < keys.size(); ++i) found->verifier_keys.push_back(keys.Text(i, 0));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<std::optional<db::LedgerCheckpoint>> CheckpointAt(uint64_t size) override {
    std::optional<db::LedgerCheckpoint> found;
    const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
      found.reset();
      const Rows rows = session.Run(kAt, Params().Int(static_cast<int64_t>(size)));
      if (!rows.empty()) found = CheckpointOf(rows);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

 private:
  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::WitnessStore> OpenWitnessStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgWitnessStore>(std::move(options));
}

}  // namespace assay::pg
