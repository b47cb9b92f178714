// Offsets and codes of NVS pages and entries, shared by the writer, the reader and the encryption.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "image/crc32.h"

namespace assay::image {

inline constexpr uint32_t kNvsPageEmpty = 0xFFFFFFFF;
inline constexpr uint32_t kNvsPageActive = 0xFFFFFFFE;
inline constexpr uint32_t kNvsPageFull = 0xFFFFFFFC;
inline constexpr uint32_t kNvsPageFreeing = 0xFFFFFFF8;
inline constexpr size_t kNvsPageHeaderSize = 32;
inline constexpr size_t kNvsPageCrcAt = 28;
inline constexpr size_t kNvsFirstEntryAt = 64;
inline constexpr size_t kNvsMaxNamespaces = 254;

enum NvsTypeCode : uint8_t {
  kNvsU8 = 0x01,
  kNvsI8 = 0x11,
  kNvsU16 = 0x02,
  kNvsI16 = 0x12,
  kNvsU32 = 0x04,
  kNvsI32 = 0x14,
  kNvsU64 = 0x08,
  kNvsI64 = 0x18,
  kNvsString = 0x21,
  kNvsBlobV1 = 0x41,
  kNvsBlobChunk = 0x42,
  kNvsBlobIndex = 0x48,
};

// Two bits an entry in the page's bitmap.
enum class NvsSlotState : uint8_t { kErased = 0, kBroken = 1, kWritten = 2, kFree = 3 };

inline NvsSlotState NvsSlotStateAt(const uint8_t* page, size_t slot) {
  return static_cast<NvsSlotState>(page[kNvsPageHeaderSize + slot / 4] >> (2 * (slot % 4)) & 3);
}
inline size_t NvsEntryAt(size_t slot) { return kNvsFirstEntryAt + slot * 32; }
// The CRC in an entry's header (at its byte 4) is of all its other bytes.
inline uint32_t NvsEntryCrc(const uint8_t* entry) {
  uint8_t bytes[28];
  std::memcpy(bytes, entry, 4);
  std::memcpy(bytes + 4, entry + 8, 24);
  return EspCrc32(bytes);
}
// Entries a value of `size` bytes takes beside its header entry.
inline size_t NvsSlotsFor(size_t size) { return (size + 31) / 32; }

}  // namespace assay::image
