// A token whose keys are used only while their attributes are what the policy demands.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/forwarding_token.h"
#include "hsm/policy.h"
#include "hsm/token.h"

namespace assay::hsm {

// Before a key's first use, and again at each Vet, its attributes are read back. A key that drifted
// (extractable, say, or there twice) is refused with HSM_KEY_UNFIT, naming the attribute, until it
// fits again; other keys go on. A fault of the token decides nothing: the last verdict stays, and
// without one the fault is the answer. Thread-safe; all but using a key goes straight to `inner`.
class VettedToken final : public ForwardingToken {
 public:
  // `origin` is the mode's: production knows only keys made in the token.
  VettedToken(std::shared_ptr<Token> inner, KeyOrigin origin);

  // A key that must be there, and where `point` is given, must be that one.
  struct Expected {
    std::string label;
    std::optional<PublicPoint> point;
  };
  struct Unfit {
    std::string label;
    absl::Status why;  // HSM_KEY_UNFIT
  };
  // Reads those keys anew; the label and the verdict of each that is unfit now. What is missing or
  // cannot be read now is not unfit, and is not told here.
  std::vector<Unfit> Vet(const std::vector<Expected>& keys);
  // As of the last look.
  std::vector<Unfit> UnfitKeys() const;

  absl::StatusOr<KeyDescription> GenerateKey(std::string_view label, KeyPurpose purpose) override;
  absl::Status DestroyKey(std::string_view label) override;
  absl::StatusOr<ImportedKey> ImportSigningKey(std::string_view label,
                                               const SecretBytes& scalar) override;
  absl::StatusOr<RawSignature> Sign(std::string_view label, const Sha256Digest& digest) override;
  absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                ByteView associated) override;
  // Decrypt goes straight on: what was wrapped before a key drifted must still be opened. Its bytes
  // are here already, and refusing would only lose them.
  absl::Status CheckHealth(std::string_view label) override;

 private:
  absl::Status Judge(const std::string& label, const std::optional<PublicPoint>& point);
  absl::Status CheckFit(std::string_view label);
  void Forget(std::string_view label);

  const KeyOrigin origin_;
  mutable std::mutex mutex_;  // never held during a call into the token
  std::map<std::string, absl::Status, std::less<>> verdicts_;  // OK or HSM_KEY_UNFIT
};

}  // namespace assay::hsm
