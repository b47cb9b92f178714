// The system's part of the store in PostgreSQL.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/system_store.h"

namespace assay::pg {

// Has a connection of its own, so that the system can be looked at while issuing takes all others.
// Does not connect yet.
std::shared_ptr<db::SystemStore> OpenSystemStore(PgOptions options);

}  // namespace assay::pg
