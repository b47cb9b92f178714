// The Matter OTA software image file (spec 11.21): a header around a vendor's payload. The file is
// not signed; its payload is, by the vendor's scheme, and the ledger holds the file's checksum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::matter {

// IANA named information hash ids. Truncated SHA-256 (2..6) and SHA3-224 are read, but not written,
// as the ledger does not know them.
enum class OtaDigest : uint8_t {
  kSha256 = 1,
  kSha384 = 7,
  kSha512 = 8,
  kSha3_224 = 9,
  kSha3_256 = 10,
  kSha3_384 = 11,
  kSha3_512 = 12,
};

struct OtaHeader {
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  uint32_t software_version = 0;
  std::string software_version_string = {};  // 1..64 bytes
  std::optional<uint32_t> min_applicable_version = {};
  std::optional<uint32_t> max_applicable_version = {};
  std::optional<std::string> release_notes_url = {};  // https, at most 256 bytes
  OtaDigest digest_type = OtaDigest::kSha256;
};

// A file read: `payload` is a view into what was parsed.
struct OtaImage {
  OtaHeader header;
  Bytes digest;
  ByteView payload;
};

// kAllProducts lets product_id be 0, "every product of the vendor"; the SDK's tool refuses it.
enum class OtaProducts { kOne, kAllProducts };

// What the SDK's tool asks of a header: ids not zero, versions in order, texts within their
// lengths. The refusal names the field.
absl::Status CheckOtaHeader(const OtaHeader& header, OtaProducts products = OtaProducts::kOne);

// The whole file. Refuses what CheckOtaHeader refuses.
absl::StatusOr<Bytes> PackOtaImage(const OtaHeader& header, ByteView payload,
                                   OtaProducts products = OtaProducts::kOne);

// Reads the form only: magic, sizes, header TLV with ascending tags. IMAGE_MALFORMED otherwise.
// Neither digest nor values are judged.
absl::StatusOr<OtaImage> ParseOtaImage(ByteView file);

// Reads, checks the header, and compares the digest with the payload: VERIFY_FAILED on "digest"
// when it differs.
absl::StatusOr<OtaImage> VerifyOtaImage(ByteView file, OtaProducts products = OtaProducts::kOne);

// What a ledger model version record holds about the file (11.23.7).
struct OtaLedgerFields {
  uint64_t ota_file_size = 0;  // bytes
  std::string ota_checksum;    // SHA-256 over the whole file, base64
  int ota_checksum_type = 1;
};
OtaLedgerFields DescribeForLedger(ByteView file);

}  // namespace assay::matter
