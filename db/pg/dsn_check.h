// Whether a DSN can be read at all, without connecting.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace assay::pg {

// FIELD_MALFORMED, with a rule that repeats nothing of the DSN but an unknown option's name.
absl::Status CheckDsn(const std::string& dsn);

}  // namespace assay::pg
