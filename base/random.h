// Randomness, passed in so that a simulation can replay it.
#pragma once

#include <cstdint>
#include <span>

#include "absl/time/time.h"
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

// `size` bytes, at least six, that begin with the time since 1970 in milliseconds, as UUIDs of
// version 7 do (RFC 9562 5.7); the rest is random. What is made one after the other then stands
// side by side in a database's indexes, which costs a large one far less than chance does.
Bytes DrawInOrderOfTime(Random& random, size_t size, absl::Time now);

// OpenSSL's CSPRNG, seeded by the operating system.
class SystemRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override;
};

}  // namespace assay
