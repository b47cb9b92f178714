// The list of a run's devices, read back: what a run that is started again shows of those it had.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/types.pb.h"

namespace assay::client {

// At most `most` devices of a manifest.csv, in its order, each with ticket, device id, serial
// numbers and codes only. FIELD_MALFORMED, naming line and column, where the file is not as it was
// written; FIELD_REQUIRED where it cannot be read.
absl::StatusOr<std::vector<v1::Identity>> ReadManifest(const std::string& path, size_t most);

}  // namespace assay::client
