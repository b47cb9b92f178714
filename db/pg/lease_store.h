// Leases in PostgreSQL.
#pragma once

#include <memory>

#include "db/lease_store.h"
#include "db/pg/pg_options.h"

namespace assay::pg {

// Does not connect yet; two connections at most, for leases are rare.
std::shared_ptr<db::LotLeaseStore> OpenLeaseStore(PgOptions options);

}  // namespace assay::pg
