#include "db/pg/system_store.h"

#include <utility>

#include "db/pg/pool.h"

namespace assay::pg {
namespace {

const Statement kFacts = {
    "system_facts",
    "SELECT clock_timestamp(), coalesce((SELECT max(version) FROM schema_migrations), 0)::bigint"};
const Statement kReplicas = {
    "system_replicas",
    "SELECT instance_id, (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint "
    "FROM instances ORDER BY lease_until DESC LIMIT 100"};

class PgSystemStore final : public db::SystemStore {
 public:
  explicit PgSystemStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<db::SystemFacts> ReadSystem() override {
    db::SystemFacts facts;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      facts = {};
      const Rows replicas = session.Run(kReplicas);
      for (int i = 0; i < replicas.size(); ++i) {
        facts.replicas.push_back({replicas.Text(i, 0), absl::Milliseconds(replicas.Int(i, 1))});
      }
      // Last, so that the clock is as fresh as can be.
      const Rows now = session.Run(kFacts);
      facts.now = now.Time(0, 0);
      facts.schema = static_cast<int>(now.Int(0, 1));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return facts;
  }

 private:
  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::SystemStore> OpenSystemStore(PgOptions options) {
  options.pool_size = 1;
  return std::make_shared<PgSystemStore>(std::move(options));
}

}  // namespace assay::pg
