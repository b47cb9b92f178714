// The factory partition of Espressif chips: NVS images written and read
// (esp_idf_nvs_partition_gen's format, versions 1 and 2). Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "image/crc32.h"

namespace assay::image {

inline constexpr size_t kNvsPageSize = 4096;
inline constexpr size_t kNvsEntrySize = 32;
inline constexpr size_t kNvsEntriesAPage = 126;
inline constexpr size_t kNvsMaxKey = 15;  // bytes, of keys and of namespace names
// The longest string a page holds beside its header entry, without the NUL that is stored with it.
inline constexpr size_t kNvsMaxString = 3967;
inline constexpr size_t kNvsMaxBlobV1 = 1984;
inline constexpr size_t kNvsMaxBlobV2 = 508000;
// Images below this size are read-only: no spare page, and only as long as the pages used.
inline constexpr size_t kNvsSmallestWritable = 0x3000;

// std::string is an NVS string (written with a NUL, which it may not hold), Bytes a blob.
using NvsValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t,
                              int64_t, std::string, Bytes>;

// "u8", "i8", ... "u64", "i64", "string", "blob".
std::string_view NvsTypeName(const NvsValue& value);

// One key. A secret entry is never printed and its value is wiped on destruction.
struct NvsEntry {
  NvsEntry() = default;
  NvsEntry(std::string name_space, std::string key, NvsValue value, bool secret = false)
      : name_space(std::move(name_space)),
        key(std::move(key)),
        value(std::move(value)),
        secret(secret) {}
  NvsEntry(const NvsEntry&) = default;
  NvsEntry(NvsEntry&&) noexcept = default;
  NvsEntry& operator=(const NvsEntry&) = default;
  NvsEntry& operator=(NvsEntry&&) noexcept = default;
  ~NvsEntry() {
    if (secret) Wipe();
  }
  void Wipe();
  bool operator==(const NvsEntry& other) const {
    return name_space == other.name_space && key == other.key && value == other.value;
  }

  std::string name_space;
  std::string key;
  NvsValue value;
  bool secret = false;
};

enum class NvsVersion : uint8_t { kV1 = 0xFF, kV2 = 0xFE };

struct NvsOptions {
  // Bytes, a multiple of 4096 from 0x1000.
  size_t size = 0x6000;
  // Version 1 keeps blobs within a page (kNvsMaxBlobV1); version 2 spreads them.
  NvsVersion version = NvsVersion::kV2;
};

// The image, byte for byte what the generator makes, save that an entry is always filed under its
// own namespace, also where namespaces alternate. Refuses: FIELD_TOO_LONG (key, string, blob),
// FIELD_REQUIRED (empty key), FIELD_MALFORMED (NUL in a string or key), FIELDS_CONTRADICT (a key
// twice in a namespace), FIELD_OUT_OF_RANGE (size), IMAGE_TOO_SMALL (says how many bytes of
// partition are missing).
absl::StatusOr<SecretBytes> BuildNvs(const std::vector<NvsEntry>& entries,
                                     const NvsOptions& options);

// Bytes of partition the entries need, a multiple of 4096, counting the spare page of writable
// images.
absl::StatusOr<size_t> NvsBytesNeeded(const std::vector<NvsEntry>& entries, NvsVersion version);

// ---- reading ----

// One written record as it lies in the image. A blob of version 2 is several records (chunks and
// index).
struct NvsRecord {
  size_t page = 0;
  size_t slot = 0;
  size_t span = 1;
  uint8_t namespace_index = 0;
  uint8_t type = 0;
  uint8_t chunk = 0xFF;
  std::string name_space;  // empty where the index is unknown or 0
  std::string key;
  bool header_crc_ok = false;
  bool body_crc_ok = true;  // strings and blobs: CRC over their bytes
  std::string fault;        // empty where nothing is wrong
};

struct NvsPage {
  uint32_t state = 0xFFFFFFFF;
  uint32_t sequence = 0;
  uint8_t version = 0xFF;
  bool header_crc_ok = false;
  size_t written = 0;  // slots marked written
  size_t erased = 0;
  bool in_use() const { return state != 0xFFFFFFFF; }
};

struct NvsReading {
  std::vector<NvsPage> pages;
  std::vector<NvsRecord> records;
  std::vector<NvsEntry> entries;  // whole and sound ones, in image order
  std::vector<std::string>
      faults;  // everything wrong, each with its page and slot; empty means sound
};

// Reads what can be read and lists every fault; for inspection. Refuses only what has no NVS shape
// at all (IMAGE_MALFORMED: length not a multiple of 4096, or zero).
absl::StatusOr<NvsReading> ReadNvs(ByteView image);

// Refuses with IMAGE_MALFORMED at the first fault; an image without any page in use is a fault as
// well, so neither an erased partition nor an encrypted one read without its keys passes as "no
// entries".
absl::StatusOr<std::vector<NvsEntry>> ParseNvs(ByteView image);

}  // namespace assay::image
