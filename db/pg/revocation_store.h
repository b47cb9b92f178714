// The store's part for revocation and verification in PostgreSQL.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/revocation_store.h"

namespace assay::pg {

// Has its own few connections, so that long lists never hold up issuing. Does not connect yet.
std::shared_ptr<db::RevocationStore> OpenRevocationStore(PgOptions options);

}  // namespace assay::pg
