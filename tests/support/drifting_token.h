// A token whose keys can be made to drift, as no well-behaved token's can.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hsm/token.h"

namespace assay::test_support {

// Thread-safe. Tells of keys what it is told to; all else is the inner token's.
class DriftingToken final : public hsm::Token {
 public:
  using Change = std::function<void(hsm::KeyDescription&)>;

  explicit DriftingToken(std::shared_ptr<hsm::Token> inner) : inner_(std::move(inner)) {}

  // Whatever is read of that key passes through `change`; an empty one ends it.
  void Drift(const std::string& label, Change change) {
    const std::lock_guard lock(mutex_);
    changes_[label] = std::move(change);
  }

  absl::StatusOr<hsm::TokenDescription> Describe() override { return inner_->Describe(); }
  absl::StatusOr<hsm::KeyDescription> GenerateKey(std::string_view label,
                                                  hsm::KeyPurpose purpose) override {
    return Bent(inner_->GenerateKey(label, purpose));
  }
  absl::StatusOr<hsm::KeyDescription> FindKey(std::string_view label) override {
    return Bent(inner_->FindKey(label));
  }
  absl::StatusOr<std::vector<hsm::KeyDescription>> ListKeys() override {
    return inner_->ListKeys();
  }
  absl::Status DestroyKey(std::string_view label) override { return inner_->DestroyKey(label); }
  absl::StatusOr<hsm::KeyDescription> ImportSigningKey(std::string_view label,
                                                       const SecretBytes& scalar) override {
    return Bent(inner_->ImportSigningKey(label, scalar));
  }
  absl::StatusOr<hsm::RawSignature> Sign(std::string_view label,
                                         const Sha256Digest& digest) override {
    return inner_->Sign(label, digest);
  }
  absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                ByteView associated) override {
    return inner_->Encrypt(label, plaintext, associated);
  }
  absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                      ByteView associated) override {
    return inner_->Decrypt(label, ciphertext, associated);
  }
  absl::Status FillRandom(std::span<uint8_t> out) override { return inner_->FillRandom(out); }
  absl::Status CheckHealth(std::string_view label) override { return inner_->CheckHealth(label); }

 private:
  absl::StatusOr<hsm::KeyDescription> Bent(absl::StatusOr<hsm::KeyDescription> key) {
    if (!key.ok()) return key;
    const std::lock_guard lock(mutex_);
    const auto change = changes_.find(key->label);
    if (change != changes_.end() && change->second) change->second(*key);
    return key;
  }

  const std::shared_ptr<hsm::Token> inner_;
  std::mutex mutex_;
  std::map<std::string, Change> changes_;
};

}  // namespace assay::test_support
