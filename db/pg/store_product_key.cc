#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kFind = {"product_key_find",
                         "SELECT wrapped_key FROM product_keys WHERE vendor_id = $1::bigint AND "
                         "product_id = $2::bigint"};
const Statement kKeep = {"product_key_keep",
                         "INSERT INTO product_keys (vendor_id, product_id, wrapped_key) VALUES "
                         "($1::bigint, $2::bigint, $3::bytea) ON CONFLICT DO NOTHING"};

}  // namespace

absl::StatusOr<Bytes> PgStore::ProductKey(uint16_t vendor_id, uint16_t product_id,
                                          const Bytes& offered) {
  Bytes key;
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    if (!offered.empty()) {
      session.Run(kKeep, Params().Int(vendor_id).Int(product_id).Blob(offered));
    }
    const Rows rows = session.Run(kFind, Params().Int(vendor_id).Int(product_id));
    key = rows.empty() ? Bytes() : rows.Blob(0, 0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return key;
}

}  // namespace assay::pg
