// The list of all figures for the documentation, made of the code that exports them.
#pragma once

#include <string>

namespace assay::ops {

// A table in Markdown: name, type, labels, what it tells; in the order of names.
std::string MetricsTable();

}  // namespace assay::ops
