// The ledger's part of the store in PostgreSQL.
#pragma once

#include <memory>

#include "db/ledger_store.h"
#include "db/pg/pg_options.h"

namespace assay::pg {

// Has its own few connections, so that neither issuing nor long exports make a checkpoint late.
// Does not connect yet.
std::shared_ptr<db::LedgerStore> OpenLedgerStore(PgOptions options);

}  // namespace assay::pg
