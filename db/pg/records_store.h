// The records for auditors in PostgreSQL.
#pragma once

#include <memory>

#include "db/pg/pg_options.h"
#include "db/records_store.h"

namespace assay::pg {

// Does not connect yet; three connections at most.
std::shared_ptr<db::RecordsStore> OpenRecordsStore(PgOptions options);

}  // namespace assay::pg
