// Which of mfg_tool's flags may stand together, and which Assay answers with another way. Pure,
// thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "client/mfg_tool/options.h"

namespace assay::client {

// FIELD_NOT_ALLOWED for flags that Assay does otherwise (-k, --port,
// --password,
// --cn-prefix), FIELDS_CONTRADICT for pairs that exclude or need each other; each names the flag.
absl::Status CheckFlags(const MfgToolOptions& options);

// One device's values given for more than one device.
absl::Status CheckSingle(const MfgToolOptions& options, uint64_t count);

}  // namespace assay::client
