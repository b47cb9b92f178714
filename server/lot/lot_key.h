// The lot's own AES-256 key: it keeps sealed identities and codes until they are wiped, and exists
// in clear only in this process's memory; at rest an HSM key wraps it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "assay/v1/types.pb.h"
#include "base/random.h"
#include "base/secret.h"
#include "db/store.h"
#include "hsm/token.h"

namespace assay::lot {

// 12-byte nonce || ciphertext || 16-byte tag, AES-256-GCM. `purpose` binds the bytes to their
// place.
Bytes SealUnder(const SecretBytes& key, ByteView plaintext, std::string_view purpose,
                Random& random);
// INTERNAL when key, purpose or bytes are not the ones sealed.
absl::StatusOr<SecretBytes> OpenUnder(const SecretBytes& key, ByteView sealed,
                                      std::string_view purpose);
// Keyed digest: what is compared must not help to guess a passcode.
Sha256Digest KeyedDigest(const SecretBytes& key, ByteView message);

// The name under which the key of a product's unit values is wrapped; no lot has such a name.
std::string ProductKeyName(uint16_t vendor_id, uint16_t product_id);

std::string CodesPurpose(std::string_view device_id);
std::string IdentityPurpose(std::string_view device_id);

// Unwrapped lot keys, kept for the life of the process. Thread-safe; the first use of a lot asks
// the token, and waits for it no longer than `patience`: HSM_TIMEOUT then, and at once for whoever
// comes while that call still hangs. One thread at most hangs with the token for each lot.
class LotKeys {
 public:
  LotKeys(std::shared_ptr<hsm::Token> token, std::string wrapping_key,
          std::chrono::milliseconds patience = std::chrono::seconds(5))
      : token_(std::move(token)), wrapping_key_(std::move(wrapping_key)), patience_(patience) {}

  // A new key for a lot, wrapped.
  absl::StatusOr<Bytes> MakeWrapped(std::string_view lot_name, Random& random);
  // All lots of a product digest its units' values under one key: the store keeps one from here on,
  // if it did not before.
  absl::Status KeepProductKey(db::Store& store, uint16_t vendor_id, uint16_t product_id,
                              Random& random);
  absl::StatusOr<std::shared_ptr<const SecretBytes>> Unwrap(const db::Lot& lot) {
    return Unwrap(lot.name, lot.wrapped_key);
  }
  absl::StatusOr<std::shared_ptr<const SecretBytes>> Unwrap(const std::string& name,
                                                            const Bytes& wrapped);

 private:
  // One question to the token, answered on a thread of its own.
  struct Asked;
  std::shared_ptr<Asked> Ask(const std::string& name, const Bytes& wrapped);

  std::shared_ptr<hsm::Token> token_;
  std::string wrapping_key_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Asked>> asked_;
  std::map<std::string, std::shared_ptr<const SecretBytes>> keys_;
};

// Passcode, QR and manual code of a manifest row.
absl::StatusOr<v1::OnboardingCodes> OpenCodes(const SecretBytes& lot_key,
                                              const db::ManifestRow& row);

}  // namespace assay::lot
