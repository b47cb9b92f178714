// A ceremony's file: which keys are made, in which token, by whom, and what they must be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "ceremony/attributes.h"
#include "hsm/token.h"

namespace assay::ceremony {

enum class KeyUse { kPai, kImage, kLedger, kWrapping, kSandboxPaa, kSandboxCd };

// "pai", "image", "ledger", "wrapping", "sandbox-paa", "sandbox-cd".
std::string_view UseName(KeyUse use);
hsm::KeyPurpose PurposeOf(KeyUse use);

struct KeyPlan {
  KeyUse use = KeyUse::kPai;
  std::string label;
  std::string common_name;  // of the request or certificate
  // PAI:
  uint16_t vendor_id = 0;
  std::optional<uint16_t> product_id;
  std::string csr_file;  // PEM, written
  // image, sandbox-paa, sandbox-cd:
  std::string certificate_file;  // PEM, self-signed, written
};

struct TokenPlan {
  std::string module;
  std::string label, serial;      // at least one
  std::string pin_file, pin_env;  // at most one; neither: asked at the terminal
};

struct Plan {
  std::string path;
  Sha256Digest digest{};  // of the file's bytes, which operators compare
  bool production = false;
  TokenPlan token;
  std::vector<std::string> operators;
  WrittenPolicy signing_policy, wrapping_policy;
  std::vector<KeyPlan> keys;
  std::string transcript_file;

  const WrittenPolicy& PolicyFor(KeyUse use) const {
    return PurposeOf(use) == hsm::KeyPurpose::kSigning ? signing_policy : wrapping_policy;
  }
};

// Every problem at once, one a line, each beginning with the key's path; FIELD_MALFORMED. File
// names are relative to the folder of `path`. A policy that is laxer than the house's, a label
// given twice, one operator or one of the same name twice in production, and test vendors and
// sandbox keys in production are problems.
absl::StatusOr<Plan> ReadPlan(std::string_view yaml, const std::string& path);
absl::StatusOr<Plan> LoadPlan(const std::string& path);

}  // namespace assay::ceremony
