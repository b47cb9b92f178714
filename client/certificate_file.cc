#include "client/certificate_file.h"

#include "base/refusal.h"
#include "client/files.h"

namespace assay::client {

absl::StatusOr<matter::Certificate> ReadCertificateFile(absl::string_view flag,
                                                        const std::string& path) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return Within(flag, bytes.status());
  const bool pem = AsText(*bytes).find("-----BEGIN") != std::string_view::npos;
  auto certificate =
      pem ? matter::Certificate::ParsePem(AsText(*bytes)) : matter::Certificate::Parse(*bytes);
  if (!certificate.ok()) return Within(flag, certificate.status());
  return certificate;
}

}  // namespace assay::client
