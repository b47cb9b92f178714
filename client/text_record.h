// A few named texts kept as one JSON object in a file, durable when written.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace assay::client {

using TextRecord = std::map<std::string, std::string>;

absl::Status WriteRecord(const std::string& path, const TextRecord& record);
// FIELD_MALFORMED naming the file where it is not such an object.
absl::StatusOr<TextRecord> ReadRecord(const std::string& path);

}  // namespace assay::client
