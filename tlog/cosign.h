// A witness's key, which cosigns checkpoints (c2sp.org/tlog-cosignature, Ed25519).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "base/secret.h"
#include "tlog/note.h"

namespace assay::tlog {

// Move-only; the seed is wiped with it. Signing is thread-safe.
class WitnessKey {
 public:
  // FIELD_MALFORMED where `name` is no key name.
  static absl::StatusOr<WitnessKey> Make(std::string_view name, Random& random);
  // "PRIVATE+KEY+<name>+<id>+<base64(type || seed)>", as signed-note's tools write it, of type 04.
  // FIELD_MALFORMED; the refusal does not hold the key.
  static absl::StatusOr<WitnessKey> Parse(std::string_view text);

  const NoteKey& verifier() const { return verifier_; }
  std::string ToText() const;  // a secret
  // The line for a checkpoint's text, as seen at `time`.
  absl::StatusOr<NoteSignature> Cosign(std::string_view text, absl::Time time) const;

 private:
  WitnessKey(SecretBytes seed, NoteKey verifier)
      : seed_(std::move(seed)), verifier_(std::move(verifier)) {}
  static absl::StatusOr<WitnessKey> OfSeed(std::string_view name, SecretBytes seed);
  SecretBytes seed_;
  NoteKey verifier_;
};

}  // namespace assay::tlog
