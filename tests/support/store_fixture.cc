#include "tests/support/store_fixture.h"

#include <cstdio>
#include <cstdlib>

#include "db/pg/migrate.h"
#include "db/pg/pg_store.h"
#include "tests/support/postgres_fixture.h"

namespace assay::test_support {

pg::PgOptions NewMigratedDatabase() {
  pg::PgOptions options;
  options.dsn = PostgresCluster::Shared().NewDatabase();
  if (const auto applied = pg::Migrator(options).Apply(); !applied.ok()) {
    std::fprintf(stderr, "migrations: %s\n", std::string(applied.status().message()).c_str());
    std::abort();
  }
  return options;
}

std::shared_ptr<db::Store> NewPgStore() { return pg::OpenStore(NewMigratedDatabase()); }

}  // namespace assay::test_support
