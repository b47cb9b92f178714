// Where the certificate tests find their vectors, and how they read them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/certificate.h"

namespace assay::matter {

inline std::filesystem::path MatterVectors() {
  const char* given = std::getenv("ASSAY_VECTORS");
  return std::filesystem::path(given != nullptr ? given : ASSAY_SOURCE_DIR "/../shared/vectors") /
         "matter";
}

inline std::string ReadVectorFile(const std::string& name) {
  std::ifstream file(MatterVectors() / name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline nlohmann::json ReadVectorJson(const std::string& name) {
  return nlohmann::json::parse(ReadVectorFile(name));
}

// `path` may be relative to the vectors, DER or PEM.
inline Certificate ReadVectorCertificate(const std::string& path) {
  absl::StatusOr<Certificate> certificate = Certificate::ParsePem(ReadVectorFile(path));
  EXPECT_TRUE(certificate.ok()) << path << ": " << certificate.status();
  return *certificate;
}

inline Bytes Hex(const std::string& text) { return *FromHex(text); }

inline absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << text << error;
  return time;
}

}  // namespace assay::matter

#define ASSAY_NEED_VECTORS()                                                       \
  if (!std::filesystem::exists(::assay::matter::MatterVectors() / "cd")) {         \
    GTEST_SKIP() << "SKIPPED: no vectors in " << ::assay::matter::MatterVectors(); \
  }                                                                                \
  static_assert(true, "")
