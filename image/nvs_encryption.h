// NVS encryption: XTS-AES-256 entry by entry, the key partition, and the HMAC scheme (keys derived
// in the chip from an eFuse key). Pure functions, thread-safe.
#pragma once

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"

namespace assay::image {

inline constexpr size_t kXtsKeySize = 64;  // data key 32, then tweak key 32
inline constexpr size_t kHmacEfuseKeySize = 32;
inline constexpr size_t kNvsKeyPartitionSize = 4096;

// A fresh key; the halves differ, as XTS demands.
SecretBytes DrawXtsKey(Random& random);

// Keys, CRC, 0xFF to 4096 bytes. FIELD_OUT_OF_RANGE where the key is not 64 bytes.
absl::StatusOr<SecretBytes> BuildKeyPartition(ByteView xts_key);
// The 64-byte key; IMAGE_MALFORMED for a wrong length, a wrong CRC or anything but 0xFF after it.
absl::StatusOr<SecretBytes> ParseKeyPartition(ByteView partition);

// The 64-byte key a chip with the HMAC peripheral derives from its 32-byte eFuse key (purpose
// HMAC_UP).
absl::StatusOr<SecretBytes> DeriveXtsKey(ByteView hmac_efuse_key);

// Encrypts the written entries in place; page headers, bitmaps and free entries stay as they are.
// IMAGE_MALFORMED for a length that is no multiple of 4096, FIELD_OUT_OF_RANGE for a key of another
// size.
absl::Status EncryptNvs(std::span<uint8_t> image, ByteView xts_key);
// The reverse. A wrong key is not noticed here but by ParseNvs, whose CRCs then all fail.
absl::Status DecryptNvs(std::span<uint8_t> image, ByteView xts_key);

}  // namespace assay::image
