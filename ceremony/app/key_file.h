// A private key in a file, as mfg_tool and chip-cert write them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::ceremony {

struct FileKey {
  SecretBytes scalar;  // 32 bytes
  Bytes public_key;    // 65 bytes
};

// PEM or DER, PKCS#8 or SEC 1, without a passphrase, on P-256. FIELD_MALFORMED otherwise, telling
// nothing of the content.
absl::StatusOr<FileKey> ReadKeyFile(const std::string& path);

}  // namespace assay::ceremony
