#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/approval_store.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kRecord = {"act_record",
                           "INSERT INTO acts (actor, request_id, kind, subject, digest) "
                           "VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea) ON CONFLICT "
                           "DO NOTHING RETURNING id"};
const Statement kFind = {
    "act_find",
    "SELECT kind, subject, digest FROM acts WHERE actor = $1::text AND request_id = $2::text"};
const Statement kEntry = {"act_entry",
                          "INSERT INTO ledger_entries (kind, body) VALUES ($1::text, $2::text)"};

// `before` is what kFind found.
absl::Status CheckSameAct(const Rows& before, const db::Act& act) {
  if (before.Text(0, 0) == act.kind && before.Text(0, 1) == act.subject &&
      before.Digest(0, 2) == act.digest) {
    return absl::OkStatus();
  }
  return RefuseField(Reason::REQUEST_CONFLICT, "request_id", act.request_id,
                     "was used with other content");
}

}  // namespace

absl::StatusOr<ActState> RecordAct(Transaction& transaction, const db::Act& act) {
  if (act.approval) ASSAY_RETURN_IF_ERROR(CloseApproved(transaction, act));
  const Rows made = transaction.Run(kRecord, Params()
                                                 .Text(act.actor)
                                                 .TextOrNull(act.request_id)
                                                 .Text(act.kind)
                                                 .Text(act.subject)
                                                 .Blob(act.digest));
  if (!made.empty()) return ActState::kNew;
  const Rows before = transaction.Run(kFind, Params().Text(act.actor).Text(act.request_id));
  if (before.empty()) {
    return RefuseField(Reason::REQUEST_CONFLICT, "request_id", act.request_id,
                       "was used with other content");
  }
  ASSAY_RETURN_IF_ERROR(CheckSameAct(before, act));
  return ActState::kDoneBefore;
}

absl::StatusOr<bool> PgStore::WasDone(const db::Act& act) {
  if (act.request_id.empty() || !Storable(act.request_id)) return false;
  bool done = false;
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
    const Rows before = session.Run(kFind, Params().Text(act.actor).Text(act.request_id));
    done = !before.empty();
    return done ? CheckSameAct(before, act) : absl::OkStatus();
  });
  if (!status.ok()) return status;
  return done;
}

void WriteActEntry(Transaction& transaction, const db::Act& act) {
  transaction.Run(kEntry, Params().Text(act.kind).Text(act.detail));
}

}  // namespace assay::pg
