// Secret bytes: private keys, passcodes, PINs, NVS keys, lot keys.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace assay {

// Owns bytes that must not outlive their use. Moves, never copies by itself (Clone says it aloud);
// wiped on destruction and on being assigned over. Has no stream operator and no ==, so it cannot
// be logged or compared in variable time by accident. Not thread-safe.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) : bytes_(size) {}
  // Takes over `bytes`; the caller's vector is left empty.
  explicit SecretBytes(Bytes&& bytes) : bytes_(std::move(bytes)) {}
  static SecretBytes CopyOf(ByteView bytes) { return SecretBytes(ToBytes(bytes)); }

  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.bytes_.clear();
  }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { Wipe(); }

  SecretBytes Clone() const { return CopyOf(bytes_); }
  void Wipe();

  ByteView view() const { return bytes_; }
  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

// For secrets that had to pass through a string or a plain buffer (protobuf fields, image bytes).
void WipeText(std::string& text);
void WipeBytes(Bytes& bytes);

}  // namespace assay
