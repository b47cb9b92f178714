// A token in memory for simulations and unit tests. Its keys are in the clear: nothing that ships
// links it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/random.h"
#include "hsm/token.h"

namespace assay::test_support {

// Thread-safe. The same Random gives the same keys, and one key gives one signature for one digest,
// so a simulation can be replayed byte for byte. Obeys the promises of hsm::Token (conformance
// suite).
class SoftwareToken final : public hsm::Token {
 public:
  // Called before each call's work, outside all locks, with the method's name ("Sign") and the
  // label; what it returns, if not OK, is the call's answer. It may block, to play a slow or hung
  // device.
  using BeforeCall = std::function<absl::Status(std::string_view call, std::string_view label)>;

  explicit SoftwareToken(std::shared_ptr<Random> random = std::make_shared<SystemRandom>());
  ~SoftwareToken() override;

  void SetBeforeCall(BeforeCall before);
  // While on, each signature has one bit turned.
  void SetGarbageSignatures(bool garbage);
  // Those for which it says so, told the key's label, have one bit turned. Called under the lock.
  using Spoils = std::function<bool(std::string_view label)>;
  void SetSpoilt(Spoils spoils);
  // What it then describes itself as lacking for wrapping keys; it makes them all the same.
  void SetWrappingLacks(std::string mechanism);

  absl::StatusOr<hsm::TokenDescription> Describe() override;
  absl::StatusOr<hsm::KeyDescription> GenerateKey(std::string_view label,
                                                  hsm::KeyPurpose purpose) override;
  absl::StatusOr<hsm::KeyDescription> FindKey(std::string_view label) override;
  absl::StatusOr<std::vector<hsm::KeyDescription>> ListKeys() override;
  absl::Status DestroyKey(std::string_view label) override;
  absl::StatusOr<hsm::ImportedKey> ImportSigningKey(std::string_view label,
                                                    const SecretBytes& scalar) override;
  absl::StatusOr<hsm::RawSignature> Sign(std::string_view label,
                                         const Sha256Digest& digest) override;
  absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                ByteView associated) override;
  absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                      ByteView associated) override;
  absl::Status FillRandom(std::span<uint8_t> out) override;
  absl::Status CheckHealth(std::string_view label) override;

 private:
  struct Key;
  absl::Status Before(std::string_view call, std::string_view label);
  absl::StatusOr<std::shared_ptr<Key>> Find(std::string_view label, hsm::KeyPurpose purpose);
  absl::StatusOr<hsm::KeyDescription> AddSigningKey(std::string_view label, SecretBytes scalar,
                                                    bool local);

  std::mutex mutex_;
  std::shared_ptr<Random> random_;
  BeforeCall before_;
  Spoils spoils_;
  std::string wrapping_lacks_;
  std::map<std::string, std::shared_ptr<Key>, std::less<>> keys_;
};

}  // namespace assay::test_support
