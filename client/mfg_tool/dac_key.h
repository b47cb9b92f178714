// A device's private key between the forms it is kept in.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/secret.h"

namespace assay::client {

// The 32-byte scalar of a P-256 key file: PEM or DER, SEC1 or PKCS#8 without password, or the 32
// raw bytes. FIELD_MALFORMED otherwise. The file's bytes are wiped.
absl::StatusOr<SecretBytes> ReadDacKey(const std::string& path);

}  // namespace assay::client
