// What happened in a ceremony, signed by every signing key it tells of; verified with nothing but
// the transcript itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ceremony/plan.h"
#include "hsm/token.h"
#include "nlohmann/json.hpp"

namespace assay::ceremony {

struct Confirmation {
  std::string name;
  std::string how;  // "at the terminal", "by --yes"
  absl::Time at;
};

struct KeyRecord {
  KeyPlan plan;
  hsm::KeyDescription key;
  bool made = true;   // in this ceremony; otherwise it was in the token before
  Bytes csr;          // DER
  Bytes certificate;  // DER
};

struct Story {
  const Plan* plan = nullptr;
  std::string software;
  absl::Time started_at, finished_at;
  std::vector<Confirmation> operators;
  hsm::TokenDescription token;
  std::vector<KeyRecord> keys;
};

// Without signatures.
nlohmann::json ComposeTranscript(const Story& story);
// The bytes the keys sign (SHA-256): the object without its member "signatures", members sorted, no
// white space, as `jq -cjS 'del(.signatures)'` prints it.
std::string SignedBytes(const nlohmann::json& transcript);
// As the file has it; ends with a line's end.
std::string RenderTranscript(const nlohmann::json& transcript);

struct TranscriptKey {
  std::string label, use, origin;
  Bytes public_key;         // 65 bytes; empty for a wrapping key
  std::string fingerprint;  // SHA-256 of the 65 bytes, hex
};

struct CheckedTranscript {
  nlohmann::json content;
  std::string ceremony_sha256;
  std::vector<std::string> operators;
  std::vector<TranscriptKey> keys;
};

// FIELD_MALFORMED for what is no transcript; NOTE_UNTRUSTED, naming the key, where one of its
// signing keys has not signed it, or a signature is of none of them, or the file says anything
// twice.
absl::StatusOr<CheckedTranscript> CheckTranscript(std::string_view text);

}  // namespace assay::ceremony
