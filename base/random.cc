#include "base/random.h"

#include <openssl/rand.h>

#include <cstdlib>

namespace assay {

Bytes DrawInOrderOfTime(Random& random, size_t size, absl::Time now) {
  constexpr size_t kTimeSize = 6;
  Bytes bytes = random.Draw(size);
  auto millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (size_t i = kTimeSize; i-- > 0; millis >>= 8) bytes[i] = static_cast<uint8_t>(millis);
  return bytes;
}

void SystemRandom::Fill(std::span<uint8_t> out) {
  if (RAND_priv_bytes(out.data(), static_cast<int>(out.size())) != 1) std::abort();
}

}  // namespace assay
