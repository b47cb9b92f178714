#include "absl/strings/str_cat.h"
#include "base/refusal.h"
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

}  // namespace

absl::StatusOr<ActState> RecordAct(Transaction& transaction, const db::Act& act) {
  const Rows made = transaction.Run(kRecord, Params()
                                                 .Text(act.actor)
                                                 .TextOrNull(act.request_id)
                                                 .Text(act.kind)
                                                 .Text(act.subject)
                                                 .Blob(act.digest));
  if (!made.empty()) return ActState::kNew;
  const Rows before = transaction.Run(kFind, Params().Text(act.actor).Text(act.request_id));
  if (!before.empty() && before.Text(0, 0) == act.kind && before.Text(0, 1) == act.subject &&
      before.Digest(0, 2) == act.digest) {
    return ActState::kDoneBefore;
  }
  return RefuseField(Reason::REQUEST_CONFLICT, "request_id", act.request_id,
                     "was used with other content");
}

void WriteActEntry(Transaction& transaction, const db::Act& act) {
  transaction.Run(kEntry, Params().Text(act.kind).Text(act.detail));
}

}  // namespace assay::pg
