// Whether a file is a PKCS#11 module, without a word to the token behind it.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace assay::pkcs11 {

// FIELD_MALFORMED with the loader's own words. The shared object stays loaded, as modules do.
absl::Status CheckModule(const std::string& path);

}  // namespace assay::pkcs11
