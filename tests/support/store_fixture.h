// A store in a new database of the program's own PostgreSQL.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/store.h"

namespace assay::test_support {

// A new database with the schema in it. Ends the program when that fails.
pg::PgOptions NewMigratedDatabase();

// The same with a store over it.
std::shared_ptr<db::Store> NewPgStore();

}  // namespace assay::test_support
