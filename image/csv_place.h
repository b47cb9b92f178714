// How refusals name a cell, shared by the readers of CSV.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "image/csv.h"
#include "image/text.h"

namespace assay::image {

inline std::string Trimmed(std::string_view text) {
  return std::string(absl::StripAsciiWhitespace(Text(text)));
}

// Where a cell lies, for refusals. A cell of no file (line 0) is named by its origin alone.
inline std::string Place(std::string_view file, const CsvCell& cell, std::string_view key = {}) {
  if (cell.line == 0) return std::string(file);
  return absl::StrCat(Text(file), " line ", cell.line, " column ", cell.column,
                      key.empty() ? std::string() : absl::StrCat(" (", Text(key), ")"));
}

}  // namespace assay::image
