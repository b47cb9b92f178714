// Which modules of an earlier lot a run completes, a row a unit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/issue_run.h"

namespace assay::client {

// A CSV with a header. The first of the columns device_id, cn (common_name) and dac_serial (hex)
// that is there names the module, so that a run's manifest.csv and mfg_tool's cn_dacs file serve as
// they are; other columns are ignored. The ticket is what names the module, in lower case. Refusals
// name file, line, column and rule: a missing column or cell, a serial that is not hex, a module
// named twice.
absl::StatusOr<std::vector<PlannedTicket>> ReadModules(const std::string& path);
absl::StatusOr<std::vector<PlannedTicket>> ReadModulesText(std::string_view text,
                                                           const std::string& path);

}  // namespace assay::client
