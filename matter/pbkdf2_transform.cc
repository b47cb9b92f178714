// The portable kernel: OpenSSL's compression function, called bare. PKCS5_PBKDF2_HMAC spends more
// than half its time around it.
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstring>

#include "matter/pbkdf2_lanes.h"

namespace assay::matter {
namespace {

void StoreBigEndian(uint8_t* out, const uint32_t* words) {
  for (int i = 0; i < 8; ++i) {
    out[4 * i] = static_cast<uint8_t>(words[i] >> 24);
    out[4 * i + 1] = static_cast<uint8_t>(words[i] >> 16);
    out[4 * i + 2] = static_cast<uint8_t>(words[i] >> 8);
    out[4 * i + 3] = static_cast<uint8_t>(words[i]);
  }
}

void Compress(SHA256_CTX& context, const uint32_t* state, uint8_t* block) {
  std::memcpy(context.h, state, sizeof context.h);
  SHA256_Transform(&context, block);
  StoreBigEndian(block, context.h);
}

}  // namespace

void IterateLanesTransform(Pbkdf2Lane* const* lanes, int count, uint32_t steps) {
  SHA256_CTX context;
  SHA256_Init(&context);
  uint8_t block[64] = {};
  block[32] = 0x80;
  block[62] = kMessageBits >> 8;
  block[63] = kMessageBits & 0xFF;
  for (int i = 0; i < count; ++i) {
    Pbkdf2Lane& lane = *lanes[i];
    StoreBigEndian(block, lane.u);
    for (uint32_t step = 0; step < steps; ++step) {
      Compress(context, lane.inner, block);
      Compress(context, lane.outer, block);
      for (int word = 0; word < 8; ++word) lane.t[word] ^= context.h[word];
    }
    if (steps > 0) std::memcpy(lane.u, context.h, sizeof lane.u);
  }
  OPENSSL_cleanse(&context, sizeof context);
  OPENSSL_cleanse(block, sizeof block);
}

}  // namespace assay::matter
