// The esp_secure_cert partition: a row of TLV entries with certificates, the device key and
// Matter's values. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::image {

inline constexpr size_t kSecureCertPartitionSize = 0x2000;
inline constexpr uint32_t kSecureCertOffset = 0xD000;  // usual place in flash
inline constexpr size_t kSec1KeySize = 121;

enum class SecureCertType : uint8_t {
  kCaCertificate = 0,  // Matter: the PAI
  kDeviceCertificate = 1,
  kPrivateKey = 2,
  kDsContents = 3,
  kDsContext = 4,
  kEcdsaKeySalt = 5,
  kSecurityConfig = 6,
  kTeeKey = 7,
  kSignatureBlock = 8,
  kIntegrity = 9,  // SHA-256 over all bytes before the entry
  kMatter = 201,
  kMatterMore = 202,
};

// Subtypes of kMatter.
inline constexpr uint8_t kMatterDiscriminator = 0;  // u16 LE
inline constexpr uint8_t kMatterVerifier = 1;       // 97 bytes
inline constexpr uint8_t kMatterSalt = 2;
inline constexpr uint8_t kMatterIterations = 3;  // u32 LE
inline constexpr uint8_t kMatterRotatingId = 4;  // 16 bytes
inline constexpr uint8_t kMatterRandomA = 128;   // 32 random bytes each
inline constexpr uint8_t kMatterRandomB = 129;

// Flags of an ECDSA key that lives in the eFuse and not in the entry.
inline constexpr uint8_t kFlagKeyInEfuse = 0x08;

struct SecureCertEntry {
  uint8_t type = 0;
  uint8_t subtype = 0;
  uint8_t flags = 0;
  SecretBytes data;  // certificates too; the entry does not know what it holds

  SecureCertEntry() = default;
  SecureCertEntry(SecureCertType type, uint8_t subtype, ByteView data, uint8_t flags = 0)
      : type(static_cast<uint8_t>(type)),
        subtype(subtype),
        flags(flags),
        data(SecretBytes::CopyOf(data)) {}
};

// kPadded: end marker FF FF 00 00 and 0xFF to the partition's size, so that no old byte in flash
// can pass for an entry. kShort: the file ends after the last entry.
enum class SecureCertTail { kPadded, kShort };

struct SecureCertOptions {
  SecureCertTail tail = SecureCertTail::kPadded;
  size_t size = kSecureCertPartitionSize;  // bytes, a multiple of 4096
  bool integrity = false;                  // append a type 9 entry
};

// Entries in the order given. Refuses IMAGE_TOO_SMALL (says how many bytes are missing; also for
// kShort, since the partition has this size), FIELDS_CONTRADICT (a type and subtype twice, or a
// type 9 given), FIELD_TOO_LONG (data over 65535 bytes).
absl::StatusOr<SecretBytes> BuildSecureCert(const std::vector<SecureCertEntry>& entries,
                                            const SecureCertOptions& options);

struct SecureCertRecord {
  size_t offset = 0;
  SecureCertEntry entry;
  bool crc_ok = false;
};
struct SecureCertReading {
  std::vector<SecureCertRecord> records;
  SecureCertTail tail = SecureCertTail::kPadded;
  std::optional<bool> integrity_ok;  // nothing where there is no type 9 entry
  std::vector<std::string> faults;   // empty means sound
};
// Reads what can be read, never past the end; lengths that leave the partition end the walk with a
// fault.
SecureCertReading ReadSecureCert(ByteView image);

// Refuses with IMAGE_MALFORMED at any fault, and where there is no entry at all. Type 9 entries are
// checked and left out of the result.
absl::StatusOr<std::vector<SecureCertEntry>> ParseSecureCert(ByteView image);

// First entry of this type and subtype, or null.
const SecureCertEntry* FindEntry(const std::vector<SecureCertEntry>& entries, SecureCertType type,
                                 uint8_t subtype = 0);

// SEC1 ECPrivateKey with curve and public key: scalar at offset 7, point at offset 56, where the
// device looks for them. FIELD_OUT_OF_RANGE for other sizes than 32 and 65 bytes.
absl::StatusOr<SecretBytes> EncodeSec1Key(ByteView private_key32, ByteView public_key65);
struct Sec1Key {
  SecretBytes private_key;  // 32 bytes
  Bytes public_key;         // 65 bytes
};
absl::StatusOr<Sec1Key> ParseSec1Key(ByteView der);

// Security configuration (type 6): 40 bytes, the first says which eFuse block holds the key.
// efuse_key_id 0..5.
absl::StatusOr<Bytes> EncodeSecurityConfig(uint8_t efuse_key_id);

// What is burnt into the eFuse block of an ECDSA key: the scalar with its bytes reversed, as the
// peripheral reads it. 32 bytes.
absl::StatusOr<SecretBytes> EncodeEfuseKeyBlock(ByteView private_key32);

}  // namespace assay::image
