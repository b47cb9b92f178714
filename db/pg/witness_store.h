// Witnesses' lines in PostgreSQL.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/witness_store.h"

namespace assay::pg {

std::shared_ptr<db::WitnessStore> OpenWitnessStore(PgOptions options);

}  // namespace assay::pg
