#include "base/secret.h"

#include <openssl/crypto.h>

namespace assay {

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Wipe();
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

void SecretBytes::Wipe() { WipeBytes(bytes_); }

void WipeText(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

void WipeBytes(Bytes& bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace assay
