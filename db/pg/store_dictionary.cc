#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kFind = {"lot_dictionary_find",
                         "SELECT dictionary FROM lot_dictionaries WHERE lot_id = $1::bigint AND "
                         "number = $2::bigint"};
const Statement kKeep = {"lot_dictionary_keep",
                         "INSERT INTO lot_dictionaries (lot_id, number, dictionary) VALUES "
                         "($1::bigint, $2::bigint, $3::bytea) ON CONFLICT DO NOTHING"};

}  // namespace

absl::StatusOr<Bytes> PgStore::LotDictionary(int64_t lot_id, uint64_t number,
                                             const Bytes& offered) {
  Bytes dictionary;
  const Params place = Params().Int(lot_id).Int(static_cast<int64_t>(number));
  absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    const Rows rows = session.Run(kFind, place);
    dictionary = rows.empty() ? Bytes() : rows.Blob(0, 0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (!dictionary.empty() || offered.empty()) return dictionary;
  // Identities that cannot be read without it follow: it must be durable before.
  status = Transact(pool_, [&](Transaction& transaction) {
    transaction.Run(kKeep, Params().Int(lot_id).Int(static_cast<int64_t>(number)).Blob(offered));
    const Rows rows = transaction.Run(kFind, place);
    dictionary = rows.empty() ? Bytes() : rows.Blob(0, 0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return dictionary;
}

}  // namespace assay::pg
