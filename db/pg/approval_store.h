// Proposals in PostgreSQL.
#pragma once

#include <memory>

#include "db/approval_store.h"
#include "db/pg/pg_options.h"
#include "db/pg/pool.h"

namespace assay::pg {

// Has a few connections of its own. Does not connect yet.
std::shared_ptr<db::ApprovalStore> OpenApprovalStore(PgOptions options);

// Closes the proposal that `act.approval` names as approved, in the act's own transaction; OK
// without a change when this very approval closed it before. Refuses as db::Act tells.
absl::Status CloseApproved(Transaction& transaction, const db::Act& act);

}  // namespace assay::pg
