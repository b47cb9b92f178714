// What the store's own statements ask of schema_migrations.
#pragma once

#include <vector>

#include "db/pg/migrate.h"
#include "db/pg/session.h"

namespace assay::pg {

// Empty where the table is missing.
std::vector<Migration> ReadApplied(Session& session);

}  // namespace assay::pg
