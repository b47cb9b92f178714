// A token: the place where PAI, image, ledger and wrapping keys live and never leave.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::hsm {

using RawSignature = std::array<uint8_t, 64>;  // r || s, big-endian, 32 bytes each
using PublicPoint = std::array<uint8_t, 65>;   // 04 || X || Y on P-256

// What a key may be used for; each purpose has one attribute policy (hsm/policy.h).
enum class KeyPurpose {
  kSigning,   // P-256 pair, sign only: PAA (sandbox), PAI, image, ledger, CRL, CD (sandbox)
  kWrapping,  // AES-256, encrypt and decrypt only: wraps lot keys
};

struct KeyDescription {
  std::string label{};
  Bytes id{};  // CKA_ID
  KeyPurpose purpose = KeyPurpose::kSigning;
  std::optional<PublicPoint> public_point{};  // signing keys
  bool hidden = false;                        // CKA_PRIVATE: seen only by who has logged in
  bool sensitive = false;
  bool always_sensitive = false;
  bool extractable = true;
  bool never_extractable = false;
  bool local = false;  // generated inside this token
  bool sign = false;
  bool sign_recover = false;
  bool verify = false;  // of wrapping keys; private keys have no such attribute
  bool decrypt = false;
  bool unwrap = false;
  bool derive = false;
  bool encrypt = false;
  bool wrap = false;
  std::optional<bool> modifiable{};  // nothing where the token does not tell
  // Attributes the token did not tell, by their Cryptoki names. Where a key lives and came from
  // then reads as the worst above, and a use as off.
  std::vector<std::string> untold{};
};

struct ImportedKey : KeyDescription {
  // Came in wrapped (C_UnwrapKey); otherwise the token takes keys only in the clear, as the module
  // was handed it (C_CreateObject).
  bool wrapped = false;
};

struct TokenDescription {
  std::string label{};
  std::string serial{};
  std::string manufacturer{};
  std::string model{};
  std::string firmware{};
  std::string hardware{};
  std::string module{};
  // The first mechanism ("CKM_AES_GCM") that keys of this purpose need and the token does not list;
  // empty where it lists them all.
  std::string signing_lacks{};
  std::string wrapping_lacks{};
};

// Thread-safe. Calls may take as long as the device takes: whoever has a deadline goes through
// hsm::SignerPool. Every failure is a refusal with one of the HSM_ reasons and, in its message, the
// fault's own name (the CKR constant); PINs never appear. Lookups are made once and kept; a token
// that went away and came back is opened anew inside the call that notices.
class Token {
 public:
  virtual ~Token() = default;

  virtual absl::StatusOr<TokenDescription> Describe() = 0;

  // Creates a persistent key; HSM_KEY_UNFIT when the label is taken or the attributes read back
  // break the policy. Sensitive, non-extractable, not modifiable, for its purpose only.
  virtual absl::StatusOr<KeyDescription> GenerateKey(std::string_view label,
                                                     KeyPurpose purpose) = 0;
  // HSM_KEY_MISSING when absent; HSM_KEY_UNFIT when two keys bear the label.
  virtual absl::StatusOr<KeyDescription> FindKey(std::string_view label) = 0;
  virtual absl::StatusOr<std::vector<KeyDescription>> ListKeys() = 0;
  // For sandboxes and ceremonies that failed half way; cannot be undone.
  virtual absl::Status DestroyKey(std::string_view label) = 0;
  // Sandbox only: brings a P-256 private scalar (32 bytes) in as a sensitive, non-extractable
  // signing key; wrapped where the token can unwrap. HSM_KEY_UNFIT where it takes no keys in.
  virtual absl::StatusOr<ImportedKey> ImportSigningKey(std::string_view label,
                                                       const SecretBytes& scalar) = 0;

  // ECDSA over a 32-byte digest.
  virtual absl::StatusOr<RawSignature> Sign(std::string_view label, const Sha256Digest& digest) = 0;
  // AES-256-GCM under a kWrapping key: 12-byte nonce || ciphertext || 16-byte tag.
  virtual absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                        ByteView associated) = 0;
  virtual absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                              ByteView associated) = 0;
  virtual absl::Status FillRandom(std::span<uint8_t> out) = 0;

  // Signs with `label` for real and checks the signature; session status alone is no evidence.
  virtual absl::Status CheckHealth(std::string_view label) = 0;
};

}  // namespace assay::hsm
