#include "server/ops/config_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/refusal.h"
#include "server/ops/config.h"

namespace assay::ops {

std::string Beside(const std::string& config_path, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::absolute(config_path).parent_path() / path).lexically_normal().string();
}

absl::StatusOr<matter::Certificate> ReadCertificateFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code unreachable;
  if (std::filesystem::is_directory(path, unreachable)) {
    return RefuseField(Reason::FIELD_MALFORMED, "", path, "is a folder, and must be a file");
  }
  if (!file) return RefuseField(Reason::FIELD_REQUIRED, "", path, "the file cannot be read");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto certificate = text.find("-----BEGIN") == std::string::npos
                         ? matter::Certificate::Parse(AsBytes(text))
                         : matter::Certificate::ParsePem(text);
  if (!certificate.ok())
    return RefuseField(Reason::FIELD_MALFORMED, "", path, "holds no certificate");
  return certificate;
}

absl::Status CheckSecretFile(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) {
    return RefuseField(Reason::FIELD_REQUIRED, "", path, "the file cannot be read");
  }
  if (S_ISDIR(facts.st_mode)) {
    return RefuseField(Reason::FIELD_MALFORMED, "", path, "is a folder, and must be a file");
  }
  if (S_ISREG(facts.st_mode) && facts.st_size == 0) {
    return RefuseField(Reason::FIELD_MALFORMED, "", path, "the file is empty");
  }
  if ((facts.st_mode & S_IRWXO) != 0 || (facts.st_mode & S_IWGRP) != 0) {
    return RefuseField(
        Reason::FIELD_NOT_ALLOWED, "", path,
        "others may read or change the file; its mode must be 0600, 0400, 0640 or 0440");
  }
  return absl::OkStatus();
}

}  // namespace assay::ops
