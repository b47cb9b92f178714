// The files a configuration names.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/certificate.h"

namespace assay::ops {

// `path` as seen from the folder of the configuration file.
std::string Beside(const std::string& config_path, const std::string& path);

// PEM or DER, one certificate. FIELD_REQUIRED or FIELD_MALFORMED.
absl::StatusOr<matter::Certificate> ReadCertificateFile(const std::string& path);

}  // namespace assay::ops
