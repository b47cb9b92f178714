// Randomness, passed in so that a simulation can replay it.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"

namespace assay {

// Thread-safe. Fill never returns short: a source that fails ends the program, because no identity
// may be made from weak randomness.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<uint8_t> out) = 0;

  Bytes Draw(size_t size) {
    Bytes bytes(size);
    Fill(bytes);
    return bytes;
  }
  SecretBytes DrawSecret(size_t size) {
    SecretBytes bytes(size);
    Fill({bytes.data(), size});
    return bytes;
  }
};

// OpenSSL's CSPRNG, seeded by the operating system.
class SystemRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override;
};

}  // namespace assay
