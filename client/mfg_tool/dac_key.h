// A device's private key between the forms it is kept in.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::client {

struct DacKey {
  SecretBytes scalar;  // 32 bytes
  Bytes point;         // 65 bytes
};
// A P-256 private key: PEM or DER, SEC1 or PKCS#8 without password, or the 32 raw bytes.
// FIELD_MALFORMED otherwise, naming `origin`.
absl::StatusOr<DacKey> ParseDacKey(ByteView file, const std::string& origin);

}  // namespace assay::client
