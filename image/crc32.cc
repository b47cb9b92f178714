#include "image/crc32.h"

#include <zlib.h>

#include <array>

namespace assay::image {
namespace {

constexpr size_t kStride = 8;
// From here on zlib's start-up is worth it.
constexpr size_t kLong = 128;

// Table k is the CRC of a byte with k zero bytes after it, so that eight bytes are taken at once
// (Kounavis and Berry, "A systematic approach to building high performance, software-based, CRC
// generators", 2005).
using Tables = std::array<std::array<uint32_t, 256>, kStride>;
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < kStride; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t EspCrc32(ByteView bytes) {
  if (bytes.size() >= kLong) {
    return static_cast<uint32_t>(crc32(0xFFFFFFFF, bytes.data(), static_cast<uInt>(bytes.size())));
  }
  uint32_t crc = 0;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= kStride; left -= kStride, at += kStride) {
    const uint32_t low = ReadLe32(at) ^ crc, high = ReadLe32(at + 4);
    crc = kTables[7][low & 0xFF] ^ kTables[6][low >> 8 & 0xFF] ^ kTables[5][low >> 16 & 0xFF] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xFF] ^ kTables[2][high >> 8 & 0xFF] ^
          kTables[1][high >> 16 & 0xFF] ^ kTables[0][high >> 24];
  }
  for (; left > 0; --left, ++at) crc = crc >> 8 ^ kTables[0][(crc ^ *at) & 0xFF];
  return ~crc;
}

}  // namespace assay::image
