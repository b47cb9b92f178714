// Who did what to a device, gathered from every table that tells of it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "db/pg/pool.h"
#include "db/records_store.h"

namespace assay::pg {

// In order of time. DEVICE_UNKNOWN.
absl::StatusOr<std::vector<db::DeviceEvent>> ReadHistory(Session& session,
                                                         const std::string& device_id);

}  // namespace assay::pg
