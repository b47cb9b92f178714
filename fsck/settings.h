// Where the checker finds the database and the token: assayd's own configuration, or flags.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "db/pg/pg_options.h"
#include "fsck/token_check.h"
#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::fsck {

struct Settings {
  pg::PgOptions database;
  bool has_token = false;
  pkcs11::Pkcs11Options token;
  TokenKeys keys;
  std::vector<Bytes> image_certificates;  // DER, the present one first
};

// Reads what concerns the checker of assayd's file and leaves the rest alone. File names are
// relative to its folder. Every problem at once: FIELD_MALFORMED.
absl::StatusOr<Settings> ReadSettings(const std::string& path);
// PEM or DER.
absl::StatusOr<Bytes> ReadCertificate(const std::string& path);
absl::StatusOr<std::string> ReadWhole(const std::string& path);

}  // namespace assay::fsck
