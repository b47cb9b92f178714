#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/pg_store.h"
#include "db/pg/schema.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kTakesWrites = {
    "health", "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"};
// The database's clock is the only one that counts leases: hosts' clocks differ.
const Statement kRenew = {
    "lease_renew",
    "INSERT INTO instances (instance_id, lease_until) VALUES ($1::text, now() + $2::bigint * "
    "interval '1 s') "
    "ON CONFLICT (instance_id) DO UPDATE SET lease_until = excluded.lease_until"};
const Statement kEnd = {"lease_end", "DELETE FROM instances WHERE instance_id = $1::text"};
const Statement kForget = {"lease_forget",
                           "DELETE FROM instances WHERE lease_until < now() - interval '1 day'"};
const Statement kDead = {
    "lease_dead",
    "SELECT o.attempt_id FROM open_intents o LEFT JOIN instances i ON i.instance_id = "
    "o.instance_id "
    "WHERE i.lease_until IS NULL OR i.lease_until <= now() ORDER BY o.attempt_id LIMIT 1000"};

}  // namespace

std::shared_ptr<db::Store> OpenStore(PgOptions options) {
  return std::make_shared<PgStore>(std::move(options));
}

absl::Status PgStore::CheckHealth() {
  return Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
    if (session.Run(kTakesWrites).Bool(0, 0)) {
      // After a failover this connection leads to the old primary; the next one is chosen anew.
      session.Cut();
      pool_.DropIdle();
      return Refuse(Reason::STORE_READ_ONLY, "the database takes no writes");
    }
    const auto applied = ReadApplied(session);
    ASSAY_RETURN_IF_ERROR(JudgeSchema(applied));
    for (const Migration& known : KnownMigrations()) {
      if (std::none_of(applied.begin(), applied.end(),
                       [&](const Migration& row) { return row.version == known.version; })) {
        return Refuse(Reason::SCHEMA_MISMATCH, absl::StrCat("migration ", known.name,
                                                            " is not applied; run assayd migrate"));
      }
    }
    return absl::OkStatus();
  });
}

absl::Status PgStore::RenewLease(const std::string& instance_id, std::chrono::seconds lease) {
  return Transact(pool_, [&](Transaction& transaction) {
    transaction.Run(kRenew, Params().Text(instance_id).Int(lease.count()));
    return absl::OkStatus();
  });
}

absl::Status PgStore::EndLease(const std::string& instance_id) {
  return Transact(pool_, [&](Transaction& transaction) {
    transaction.Run(kEnd, Params().Text(instance_id));
    return absl::OkStatus();
  });
}

absl::StatusOr<int> PgStore::VoidDeadAttempts() {
  int voided = 0;
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
    voided = 0;
    const bool forgot = transaction.Run(kForget).affected() > 0;
    const Rows dead = transaction.Run(kDead);
    std::vector<int64_t> attempts;
    for (int i = 0; i < dead.size(); ++i) attempts.push_back(dead.Int(i, 0));
    if (!attempts.empty()) {
      const std::vector<std::string_view> reasons(attempts.size(), "LEASE_ENDED");
      voided = VoidWithin(transaction, attempts, reasons);
    } else if (!forgot) {
      transaction.Discard();
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return voided;
}

}  // namespace assay::pg
