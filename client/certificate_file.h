// A certificate out of a file somebody named on the command line.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "matter/certificate.h"

namespace assay::client {

// DER or PEM. Refusals are told under `flag`, the option that named the file.
absl::StatusOr<matter::Certificate> ReadCertificateFile(absl::string_view flag,
                                                        const std::string& path);

}  // namespace assay::client
