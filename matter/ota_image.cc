#include "matter/ota_image.h"

#include <openssl/evp.h>

#include <array>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/tlv.h"
#include "matter/utf8.h"

namespace assay::matter {
namespace {

constexpr uint32_t kMagic = 0x1BEEF11E;
constexpr size_t kPreambleSize = 16;  // magic, total size, header size
constexpr size_t kMaxHeaderSize = 1024;
constexpr size_t kMaxVersionStringSize = 64;
constexpr size_t kMaxUrlSize = 256;
constexpr int kLedgerSha256 = 1;

enum Tag : uint8_t {
  kVendorId = 0,
  kProductId = 1,
  kSoftwareVersion = 2,
  kSoftwareVersionString = 3,
  kPayloadSize = 4,
  kMinApplicableVersion = 5,
  kMaxApplicableVersion = 6,
  kReleaseNotesUrl = 7,
  kDigestType = 8,
  kDigest = 9,
};

struct DigestRow {
  uint8_t id;
  const char* name;  // OpenSSL's
  size_t size;       // bytes kept
  bool is_for_ledger;
};
constexpr DigestRow kDigests[] = {
    {1, "SHA256", 32, true},    {2, "SHA256", 16, false},   {3, "SHA256", 15, false},
    {4, "SHA256", 12, false},   {5, "SHA256", 8, false},    {6, "SHA256", 4, false},
    {7, "SHA384", 48, true},    {8, "SHA512", 64, true},    {9, "SHA3-224", 28, false},
    {10, "SHA3-256", 32, true}, {11, "SHA3-384", 48, true}, {12, "SHA3-512", 64, true}};

const DigestRow* RowOf(OtaDigest digest) {
  for (const DigestRow& row : kDigests) {
    if (row.id == static_cast<uint8_t>(digest)) return &row;
  }
  return nullptr;
}

absl::StatusOr<Bytes> DigestOf(const DigestRow& row, ByteView payload) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const EVP_MD* algorithm = EVP_get_digestbyname(row.name);
  if (algorithm == nullptr ||
      EVP_Digest(payload.data(), payload.size(), digest.data(), &size, algorithm, nullptr) != 1 ||
      size < row.size) {
    return Refuse(Reason::INTERNAL, "the payload's digest could not be computed");
  }
  return Bytes(digest.begin(), digest.begin() + static_cast<ptrdiff_t>(row.size));
}

uint64_t ReadLe64(const uint8_t* at) { return ReadLe32(at) | uint64_t{ReadLe32(at + 4)} << 32; }

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::IMAGE_MALFORMED, "ota_image", "", rule);
}

absl::Status CheckVersions(const OtaHeader& header) {
  const auto& least = header.min_applicable_version;
  const auto& most = header.max_applicable_version;
  if (least && *least >= header.software_version) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "min_applicable_version", absl::StrCat(*least),
                       "must be below the software version");
  }
  if (most && *most >= header.software_version) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "max_applicable_version", absl::StrCat(*most),
                       "must be below the software version");
  }
  if (least && most && *most < *least) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "max_applicable_version", absl::StrCat(*most),
                       "must not be below the least applicable version");
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const OtaHeader& header, OtaProducts products) {
  if (header.vendor_id == 0) {
    return RefuseField(Reason::FIELD_REQUIRED, "vendor_id", "0", "must not be 0");
  }
  if (header.product_id == 0 && products == OtaProducts::kOne) {
    return RefuseField(Reason::FIELD_REQUIRED, "product_id", "0", "must not be 0");
  }
  const std::string& text = header.software_version_string;
  if (text.empty() || text.size() > kMaxVersionStringSize || !IsUtf8(text)) {
    return RefuseField(Reason::FIELD_TOO_LONG, "software_version_string", "",
                       "must be 1..64 bytes of UTF-8");
  }
  if (header.release_notes_url) {
    const std::string& url = *header.release_notes_url;
    if (url.size() > kMaxUrlSize) {
      return RefuseField(Reason::FIELD_TOO_LONG, "release_notes_url",
                         absl::StrCat(url.size(), " bytes"), "must not exceed 256 bytes");
    }
    if (!absl::StartsWith(url, "https://") || !IsUtf8(url)) {
      return RefuseField(Reason::FIELD_MALFORMED, "release_notes_url", url,
                         "must begin with https://");
    }
  }
  return CheckVersions(header);
}

Bytes EncodeHeader(const OtaHeader& header, uint64_t payload_size, ByteView digest) {
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  writer.PutUnsigned(TlvTag::Context(kVendorId), header.vendor_id);
  writer.PutUnsigned(TlvTag::Context(kProductId), header.product_id);
  writer.PutUnsigned(TlvTag::Context(kSoftwareVersion), header.software_version);
  writer.PutUtf8(TlvTag::Context(kSoftwareVersionString), header.software_version_string);
  writer.PutUnsigned(TlvTag::Context(kPayloadSize), payload_size);
  if (header.min_applicable_version) {
    writer.PutUnsigned(TlvTag::Context(kMinApplicableVersion), *header.min_applicable_version);
  }
  if (header.max_applicable_version) {
    writer.PutUnsigned(TlvTag::Context(kMaxApplicableVersion), *header.max_applicable_version);
  }
  if (header.release_notes_url) {
    writer.PutUtf8(TlvTag::Context(kReleaseNotesUrl), *header.release_notes_url);
  }
  writer.PutUnsigned(TlvTag::Context(kDigestType), static_cast<uint8_t>(header.digest_type));
  writer.PutBytes(TlvTag::Context(kDigest), digest);
  writer.EndContainer();
  return writer.Take();
}

// Reads the header's elements, which must come in the order of their tags.
class HeaderReader {
 public:
  explicit HeaderReader(ByteView tlv) : reader_(tlv) {}

  absl::Status Read(OtaImage& image, uint64_t& payload_size) {
    ASSAY_RETURN_IF_ERROR(Open());
    uint64_t number = 0;
    ASSAY_RETURN_IF_ERROR(TakeNumber(kVendorId, 0xFFFF, number));
    image.header.vendor_id = static_cast<uint16_t>(number);
    ASSAY_RETURN_IF_ERROR(TakeNumber(kProductId, 0xFFFF, number));
    image.header.product_id = static_cast<uint16_t>(number);
    ASSAY_RETURN_IF_ERROR(TakeNumber(kSoftwareVersion, 0xFFFFFFFF, number));
    image.header.software_version = static_cast<uint32_t>(number);
    ByteView bytes;
    ASSAY_RETURN_IF_ERROR(TakeBytes(kSoftwareVersionString, TlvType::kUtf8, bytes));
    image.header.software_version_string = ToText(bytes);
    ASSAY_RETURN_IF_ERROR(
        TakeNumber(kPayloadSize, std::numeric_limits<uint64_t>::max(), payload_size));
    ASSAY_RETURN_IF_ERROR(TakeOptional(image.header));
    ASSAY_RETURN_IF_ERROR(TakeNumber(kDigestType, 0xFF, number));
    image.header.digest_type = static_cast<OtaDigest>(number);
    ASSAY_RETURN_IF_ERROR(TakeBytes(kDigest, TlvType::kBytes, bytes));
    image.digest = ToBytes(bytes);
    if (element_) return Malformed("the header holds an element out of order or unknown");
    ASSAY_RETURN_IF_ERROR(reader_.Exit());
    return reader_.Finish();
  }

 private:
  absl::Status Advance() {
    const auto next = reader_.Next();
    if (!next.ok()) return next.status();
    element_ = *next;
    return absl::OkStatus();
  }
  absl::Status Open() {
    ASSAY_RETURN_IF_ERROR(Advance());
    if (!element_ || element_->type != TlvType::kStructure ||
        element_->tag != TlvTag::Anonymous()) {
      return Malformed("the header must be an anonymous structure");
    }
    ASSAY_RETURN_IF_ERROR(reader_.Enter());
    return Advance();
  }
  bool IsAt(Tag tag) const { return element_ && element_->tag.IsContext(tag); }
  absl::Status TakeNumber(Tag tag, uint64_t most, uint64_t& number) {
    if (!IsAt(tag) || element_->type != TlvType::kUnsigned || element_->number > most) {
      return Malformed(absl::StrCat("the header lacks a fit element ", static_cast<int>(tag)));
    }
    number = element_->number;
    return Advance();
  }
  absl::Status TakeBytes(Tag tag, TlvType type, ByteView& bytes) {
    if (!IsAt(tag) || element_->type != type) {
      return Malformed(absl::StrCat("the header lacks a fit element ", static_cast<int>(tag)));
    }
    bytes = element_->bytes;
    return Advance();
  }
  absl::Status TakeOptional(OtaHeader& header) {
    uint64_t number = 0;
    if (IsAt(kMinApplicableVersion)) {
      ASSAY_RETURN_IF_ERROR(TakeNumber(kMinApplicableVersion, 0xFFFFFFFF, number));
      header.min_applicable_version = static_cast<uint32_t>(number);
    }
    if (IsAt(kMaxApplicableVersion)) {
      ASSAY_RETURN_IF_ERROR(TakeNumber(kMaxApplicableVersion, 0xFFFFFFFF, number));
      header.max_applicable_version = static_cast<uint32_t>(number);
    }
    if (IsAt(kReleaseNotesUrl)) {
      ByteView url;
      ASSAY_RETURN_IF_ERROR(TakeBytes(kReleaseNotesUrl, TlvType::kUtf8, url));
      header.release_notes_url = ToText(url);
    }
    return absl::OkStatus();
  }

  TlvReader reader_;
  std::optional<TlvElement> element_;
};

}  // namespace

absl::Status CheckOtaHeader(const OtaHeader& header, OtaProducts products) {
  ASSAY_RETURN_IF_ERROR(CheckFields(header, products));
  const DigestRow* row = RowOf(header.digest_type);
  if (row == nullptr || !row->is_for_ledger) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "digest_type",
                       absl::StrCat(static_cast<int>(header.digest_type)),
                       "must be 1, 7, 8, 10, 11 or 12");
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> PackOtaImage(const OtaHeader& header, ByteView payload,
                                   OtaProducts products) {
  ASSAY_RETURN_IF_ERROR(CheckOtaHeader(header, products));
  const absl::StatusOr<Bytes> digest = DigestOf(*RowOf(header.digest_type), payload);
  if (!digest.ok()) return digest.status();
  const Bytes tlv = EncodeHeader(header, payload.size(), *digest);
  Bytes file;
  file.reserve(kPreambleSize + tlv.size() + payload.size());
  AppendLe32(file, kMagic);
  AppendLe64(file, kPreambleSize + tlv.size() + payload.size());
  AppendLe32(file, static_cast<uint32_t>(tlv.size()));
  Append(file, tlv);
  Append(file, payload);
  return file;
}

absl::StatusOr<OtaImage> ParseOtaImage(ByteView file) {
  if (file.size() < kPreambleSize || ReadLe32(file.data()) != kMagic) {
    return Malformed("must begin with the file identifier 0x1BEEF11E");
  }
  if (ReadLe64(file.data() + 4) != file.size()) {
    return Malformed("the total size must be the file's");
  }
  const size_t header_size = ReadLe32(file.data() + 12);
  if (header_size > kMaxHeaderSize || header_size > file.size() - kPreambleSize) {
    return Malformed("the header must not exceed 1024 bytes or the file");
  }
  OtaImage image;
  uint64_t payload_size = 0;
  const absl::Status status =
      HeaderReader(file.subspan(kPreambleSize, header_size)).Read(image, payload_size);
  if (!status.ok()) {
    return HasReason(status, Reason::IMAGE_MALFORMED) ? status : Malformed(status.message());
  }
  image.payload = file.subspan(kPreambleSize + header_size);
  if (payload_size != image.payload.size()) {
    return Malformed("the payload must have the size the header gives");
  }
  return image;
}

absl::StatusOr<OtaImage> VerifyOtaImage(ByteView file, OtaProducts products) {
  absl::StatusOr<OtaImage> image = ParseOtaImage(file);
  if (!image.ok()) return image.status();
  ASSAY_RETURN_IF_ERROR(CheckFields(image->header, products));
  const DigestRow* row = RowOf(image->header.digest_type);
  if (row == nullptr) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "digest_type",
                       absl::StrCat(static_cast<int>(image->header.digest_type)), "must be 1..12");
  }
  const absl::StatusOr<Bytes> digest = DigestOf(*row, image->payload);
  if (!digest.ok()) return digest.status();
  if (*digest != image->digest) {
    return RefuseField(Reason::VERIFY_FAILED, "digest", "", "must be the payload's");
  }
  return image;
}

OtaLedgerFields DescribeForLedger(ByteView file) {
  return {.ota_file_size = file.size(),
          .ota_checksum = ToBase64(Sha256(file)),
          .ota_checksum_type = kLedgerSha256};
}

}  // namespace assay::matter
