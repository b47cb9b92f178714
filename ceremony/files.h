// Files of a ceremony: read whole, written whole or not at all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace assay::ceremony {

// Nothing where there is no such file; FIELD_NOT_ALLOWED where it cannot be read.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path);
// Written aside, brought to the disk and renamed; folders are made. FIELD_NOT_ALLOWED otherwise.
absl::Status WriteWhole(const std::string& path, std::string_view text);

}  // namespace assay::ceremony
