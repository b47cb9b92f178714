// The store in PostgreSQL 15 or later.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/store.h"

namespace assay::pg {

// Does not connect yet: a database that is down makes calls refuse, and heals. The schema must be
// there (db/pg/migrate.h); CheckHealth says when it is not.
std::shared_ptr<db::Store> OpenStore(PgOptions options);

// The same options with a pool in them: all stores opened with these share its connections, so that
// a process has `pool_size` of them and not that many a store.
PgOptions SharePool(PgOptions options);

}  // namespace assay::pg
