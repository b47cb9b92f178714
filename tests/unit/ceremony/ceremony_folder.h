// A ceremony in a folder of its own, and the text of its file.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "ceremony/ceremony.h"

namespace assay::ceremony {

inline constexpr char kPolicyText[] =
    "policy:\n"
    "  signing: {CKA_LOCAL: true, CKA_PRIVATE: true, CKA_SENSITIVE: true,\n"
    "            CKA_ALWAYS_SENSITIVE: true, CKA_EXTRACTABLE: false,\n"
    "            CKA_NEVER_EXTRACTABLE: true, CKA_MODIFIABLE: false, CKA_SIGN: true,\n"
    "            CKA_SIGN_RECOVER: false, CKA_DECRYPT: false, CKA_UNWRAP: false,\n"
    "            CKA_DERIVE: false}\n"
    "  wrapping: {CKA_LOCAL: true, CKA_PRIVATE: true, CKA_SENSITIVE: true,\n"
    "             CKA_ALWAYS_SENSITIVE: true, CKA_EXTRACTABLE: false,\n"
    "             CKA_NEVER_EXTRACTABLE: true, CKA_MODIFIABLE: false, CKA_ENCRYPT: true,\n"
    "             CKA_DECRYPT: true, CKA_SIGN: false, CKA_VERIFY: false, CKA_WRAP: false,\n"
    "             CKA_UNWRAP: false, CKA_DERIVE: false}\n";
inline constexpr char kHeadText[] =
    "mode: production\n"
    "token: {module: libsofthsm2.so, label: t, pin_env: PIN}\n"
    "operators: [Ada Example, Ben Example]\n";
inline constexpr char kKeysText[] =
    "keys:\n"
    "  - {use: pai, label: pai-light, vendor_id: 0x131B, product_id: 0x1000, csr: light.csr}\n"
    "  - {use: image, certificate: image.pem}\n"
    "  - {use: ledger}\n"
    "  - {use: wrapping}\n"
    "transcript: transcript.json\n";

inline std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class CeremonyFolder : public testing::Test {
 protected:
  CeremonyFolder() {
    char pattern[] = "/tmp/assay-ceremony-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~CeremonyFolder() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  absl::StatusOr<Plan> Read(const std::string& text) {
    return ReadPlan(text, (folder_ / "ceremony.yaml").string());
  }
  absl::StatusOr<Plan> Read() { return Read(std::string(kHeadText) + kPolicyText + kKeysText); }
  static std::string Replaced(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }

  std::filesystem::path folder_;
};

}  // namespace assay::ceremony
