// A token that stands before another: each call goes to it unless a subclass does otherwise.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hsm/token.h"

namespace assay::hsm {

// As thread-safe as what it stands before.
class ForwardingToken : public Token {
 public:
  explicit ForwardingToken(std::shared_ptr<Token> inner) : inner_(std::move(inner)) {}

  absl::StatusOr<TokenDescription> Describe() override { return inner_->Describe(); }
  absl::StatusOr<KeyDescription> GenerateKey(std::string_view label, KeyPurpose purpose) override {
    return inner_->GenerateKey(label, purpose);
  }
  absl::StatusOr<KeyDescription> FindKey(std::string_view label) override {
    return inner_->FindKey(label);
  }
  absl::StatusOr<std::vector<KeyDescription>> ListKeys() override { return inner_->ListKeys(); }
  absl::Status DestroyKey(std::string_view label) override { return inner_->DestroyKey(label); }
  absl::StatusOr<ImportedKey> ImportSigningKey(std::string_view label,
                                               const SecretBytes& scalar) override {
    return inner_->ImportSigningKey(label, scalar);
  }
  absl::StatusOr<RawSignature> Sign(std::string_view label, const Sha256Digest& digest) override {
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

 protected:
  Token& inner() { return *inner_; }

 private:
  const std::shared_ptr<Token> inner_;
};

}  // namespace assay::hsm
