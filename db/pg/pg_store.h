// The store in PostgreSQL 15 or later.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/store.h"

namespace assay::pg {

// Does not connect yet: a database that is down makes calls refuse, and heals. The schema must be
// there (db/pg/migrate.h); CheckHealth says when it is not.
std::shared_ptr<db::Store> OpenStore(PgOptions options);

}  // namespace assay::pg
