#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const std::string kSelect =
    "SELECT name, vendor_id, product_id, state, key_label, public_key, csr, certificate, "
    "paa_certificate, "
    "created_at FROM pais ";

const Statement kCreate = {"pai_create",
                           "INSERT INTO pais (name, vendor_id, product_id, state, key_label, "
                           "public_key, csr, certificate, "
                           "paa_certificate) VALUES ($1::text, $2::bigint, $3::bigint, $4::bigint, "
                           "$5::text, $6::bytea, $7::bytea, "
                           "$8::bytea, $9::bytea) ON CONFLICT DO NOTHING RETURNING name"};
const Statement kUpdate = {
    "pai_update",
    "UPDATE pais SET state = $2::bigint, certificate = $3::bytea, paa_certificate = $4::bytea "
    "WHERE name = $1::text AND state <= $2::bigint RETURNING name"};
const Statement kFind = {"pai_find", kSelect + "WHERE name = $1::text"};
const Statement kList = {"pai_list", kSelect + "ORDER BY name"};

db::Pai PaiAt(const Rows& rows, int i) {
  db::Pai pai;
  pai.name = rows.Text(i, 0);
  pai.vendor_id = static_cast<uint16_t>(rows.Int(i, 1));
  if (!rows.IsNull(i, 2)) pai.product_id = static_cast<uint16_t>(rows.Int(i, 2));
  pai.state = static_cast<db::PaiState>(rows.Int(i, 3));
  pai.key_label = rows.Text(i, 4);
  pai.public_key = rows.Blob(i, 5);
  pai.csr = rows.Blob(i, 6);
  pai.certificate = rows.Blob(i, 7);
  pai.paa_certificate = rows.Blob(i, 8);
  pai.created_at = rows.Time(i, 9);
  return pai;
}

template <typename Runner>
absl::StatusOr<db::Pai> ReadPai(Runner& runner, const std::string& name) {
  const Rows rows = runner.Run(kFind, Params().Text(name));
  if (rows.empty()) return RefuseField(Reason::PAI_UNKNOWN, "pai", name, "no such PAI");
  return PaiAt(rows, 0);
}

}  // namespace

absl::StatusOr<db::Pai> PgStore::CreatePai(const db::Act& act, const db::Pai& pai) {
  const auto find = [&](Transaction& transaction) { return ReadPai(transaction, pai.name); };
  return Perform<db::Pai>(act, find, [&](Transaction& transaction) -> absl::StatusOr<db::Pai> {
    Params params;
    params.Text(pai.name).Int(pai.vendor_id);
    if (pai.product_id) {
      params.Int(*pai.product_id);
    } else {
      params.Null();
    }
    params.Int(static_cast<int64_t>(pai.state))
        .Text(pai.key_label)
        .Blob(pai.public_key)
        .Blob(pai.csr)
        .Blob(pai.certificate)
        .Blob(pai.paa_certificate);
    if (!transaction.Run(kCreate, params).empty()) return find(transaction);
    const auto before = find(transaction);
    if (!before.ok()) {
      return RefuseField(Reason::PAI_CONFLICT, "key_label", pai.key_label, "is another PAI's key");
    }
    if (before->vendor_id != pai.vendor_id || before->product_id != pai.product_id ||
        before->key_label != pai.key_label || before->public_key != pai.public_key) {
      return RefuseField(Reason::PAI_CONFLICT, "pai", pai.name, "exists with other content");
    }
    transaction.Discard();
    return before;
  });
}

absl::StatusOr<db::Pai> PgStore::UpdatePai(const db::Act& act, const db::Pai& pai) {
  const auto find = [&](Transaction& transaction) { return ReadPai(transaction, pai.name); };
  return Perform<db::Pai>(act, find, [&](Transaction& transaction) -> absl::StatusOr<db::Pai> {
    const Rows updated = transaction.Run(kUpdate, Params()
                                                      .Text(pai.name)
                                                      .Int(static_cast<int64_t>(pai.state))
                                                      .Blob(pai.certificate)
                                                      .Blob(pai.paa_certificate));
    auto found = find(transaction);
    if (!found.ok() || !updated.empty()) return found;
    return RefuseField(Reason::PAI_NOT_ACTIVE, "pai", pai.name,
                       "a state is never taken back; retiring is for ever");
  });
}

absl::StatusOr<db::Pai> PgStore::FindPai(const std::string& name) {
  absl::StatusOr<db::Pai> pai = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    pai = ReadPai(session, name);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return pai;
}

absl::StatusOr<std::vector<db::Pai>> PgStore::ListPais() {
  std::vector<db::Pai> pais;
  const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
    const Rows rows = session.Run(kList);
    pais.clear();
    for (int i = 0; i < rows.size(); ++i) pais.push_back(PaiAt(rows, i));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return pais;
}

}  // namespace assay::pg
