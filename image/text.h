// Abseil's own string_view (the packages are built for C++14) beside the standard's: one
// conversion, in one place.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace assay::image {

inline absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace assay::image
