#include "image/secure_cert.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "image/nvs.h"

namespace assay::image {
namespace {

constexpr uint8_t kMagic[4] = {0x11, 0xBA, 0x5E, 0xBA};
constexpr uint8_t kEndMarker[4] = {0xFF, 0xFF, 0x00, 0x00};
constexpr size_t kHeaderSize = 12;
constexpr size_t kCrcSize = 4;

constexpr uint8_t kSec1Head[7] = {0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20};
constexpr uint8_t kSec1Middle[17] = {0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                                     0x03, 0x01, 0x07, 0xA1, 0x44, 0x03, 0x42, 0x00};

size_t Padded(size_t length) { return (length + 15) / 16 * 16; }
size_t EntrySize(size_t length) { return kHeaderSize + Padded(length) + kCrcSize; }

// Writes at `out` and returns the entry's size.
size_t WriteEntry(uint8_t* out, uint8_t type, uint8_t subtype, uint8_t flags, ByteView data) {
  const size_t size = EntrySize(data.size());
  std::memset(out, 0, size);
  std::memcpy(out, kMagic, sizeof kMagic);
  out[4] = flags;
  out[8] = type;
  out[9] = subtype;
  out[10] = static_cast<uint8_t>(data.size());
  out[11] = static_cast<uint8_t>(data.size() >> 8);
  if (!data.empty()) std::memcpy(out + kHeaderSize, data.data(), data.size());
  const uint32_t crc = EspCrc32({out, size - kCrcSize});
  for (size_t i = 0; i < kCrcSize; ++i)
    out[size - kCrcSize + i] = static_cast<uint8_t>(crc >> (8 * i));
  return size;
}

std::string NameOf(uint8_t type, uint8_t subtype) {
  return absl::StrCat("secure_cert ", int{type}, "/", int{subtype});
}

absl::Status CheckEntries(const std::vector<SecureCertEntry>& entries) {
  std::set<std::pair<uint8_t, uint8_t>> seen;
  for (const SecureCertEntry& entry : entries) {
    const std::string name = NameOf(entry.type, entry.subtype);
    if (entry.type == static_cast<uint8_t>(SecureCertType::kIntegrity)) {
      return RefuseField(Reason::FIELDS_CONTRADICT, name, "",
                         "the integrity entry is written by itself");
    }
    if (entry.data.size() > 0xFFFF) {
      return RefuseField(Reason::FIELD_TOO_LONG, name, absl::StrCat(entry.data.size(), " bytes"),
                         "an entry holds at most 65535 bytes");
    }
    if (!seen.emplace(entry.type, entry.subtype).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, name, "", "the entry stands twice");
    }
  }
  return absl::OkStatus();
}

void CheckTail(ByteView tail, size_t at, SecureCertReading& reading) {
  if (tail.empty()) {
    reading.tail = SecureCertTail::kShort;
    return;
  }
  reading.tail = SecureCertTail::kPadded;
  const bool marked = tail.size() >= 4 && std::memcmp(tail.data(), kEndMarker, 4) == 0;
  const ByteView filler = marked ? tail.subspan(4) : tail;
  if (std::any_of(filler.begin(), filler.end(), [](uint8_t byte) { return byte != 0xFF; })) {
    reading.faults.push_back(
        absl::StrFormat("offset 0x%04X: neither an entry nor the end marker and 0xFF", at));
  }
}

// False at the end of the row of entries.
bool ReadOne(ByteView image, size_t& at, SecureCertReading& reading) {
  const ByteView rest = image.subspan(at);
  if (rest.size() < sizeof kMagic || std::memcmp(rest.data(), kMagic, sizeof kMagic) != 0) {
    CheckTail(rest, at, reading);
    return false;
  }
  const std::string where = absl::StrFormat("offset 0x%04X: ", at);
  if (rest.size() < kHeaderSize + kCrcSize) {
    reading.faults.push_back(where + "the entry's header is cut off");
    return false;
  }
  const size_t length = ReadLe16(rest.data() + 10);
  const size_t size = EntrySize(length);
  if (size > rest.size()) {
    reading.faults.push_back(
        absl::StrCat(where, "the entry's length ", length, " leaves the partition"));
    return false;
  }
  SecureCertRecord record;
  record.offset = at;
  record.entry = SecureCertEntry(static_cast<SecureCertType>(rest[8]), rest[9],
                                 rest.subspan(kHeaderSize, length), rest[4]);
  record.crc_ok = ReadLe32(rest.data() + size - kCrcSize) == EspCrc32(rest.first(size - kCrcSize));
  if (!record.crc_ok) reading.faults.push_back(where + "wrong CRC");
  if (rest[5] != 0 || rest[6] != 0 || rest[7] != 0)
    reading.faults.push_back(where + "reserved bytes are not 0");
  const ByteView padding = rest.subspan(kHeaderSize + length, Padded(length) - length);
  if (std::any_of(padding.begin(), padding.end(), [](uint8_t byte) { return byte != 0; })) {
    reading.faults.push_back(where + "padding is not 0");
  }
  if (record.entry.type == static_cast<uint8_t>(SecureCertType::kIntegrity)) {
    const Sha256Digest digest = Sha256(image.first(at));
    reading.integrity_ok = EqualInConstantTime(digest, record.entry.data.view());
    if (!*reading.integrity_ok) reading.faults.push_back(where + "the integrity digest is wrong");
  }
  reading.records.push_back(std::move(record));
  at += size;
  return true;
}

}  // namespace

absl::StatusOr<SecretBytes> BuildSecureCert(const std::vector<SecureCertEntry>& entries,
                                            const SecureCertOptions& options) {
  if (options.size == 0 || options.size % 4096 != 0 || options.size > 0x100000) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "secure_cert_size", absl::StrCat(options.size),
                       "the secure-cert partition is a multiple of 4096 bytes, at most 1 MiB");
  }
  ASSAY_RETURN_IF_ERROR(CheckEntries(entries));
  size_t used = options.integrity ? EntrySize(32) : 0;
  for (const SecureCertEntry& entry : entries) used += EntrySize(entry.data.size());
  // The marker counts for short images as well: the reader must meet something that is no entry.
  const size_t needed = used + sizeof kEndMarker;
  if (needed > options.size) {
    return RefuseField(Reason::IMAGE_TOO_SMALL, "secure_cert_size", absl::StrCat(options.size),
                       absl::StrCat("the entries need ", needed, " bytes, ", needed - options.size,
                                    " more than there are"));
  }
  SecretBytes image(options.tail == SecureCertTail::kPadded ? options.size : used);
  size_t at = 0;
  for (const SecureCertEntry& entry : entries) {
    at += WriteEntry(image.data() + at, entry.type, entry.subtype, entry.flags, entry.data.view());
  }
  if (options.integrity) {
    const Sha256Digest digest = Sha256(image.view().first(at));
    at += WriteEntry(image.data() + at, static_cast<uint8_t>(SecureCertType::kIntegrity), 0, 0,
                     digest);
  }
  if (options.tail == SecureCertTail::kPadded) {
    std::memcpy(image.data() + at, kEndMarker, sizeof kEndMarker);
    std::memset(image.data() + at + sizeof kEndMarker, 0xFF, image.size() - at - sizeof kEndMarker);
  }
  return image;
}

SecureCertReading ReadSecureCert(ByteView image) {
  SecureCertReading reading;
  size_t at = 0;
  while (ReadOne(image, at, reading)) {
  }
  if (reading.records.empty()) reading.faults.push_back("no entry");
  return reading;
}

absl::StatusOr<std::vector<SecureCertEntry>> ParseSecureCert(ByteView image) {
  SecureCertReading reading = ReadSecureCert(image);
  if (!reading.faults.empty()) {
    return Refuse(Reason::IMAGE_MALFORMED, absl::StrCat("secure_cert: ", reading.faults.front()));
  }
  std::vector<SecureCertEntry> entries;
  for (SecureCertRecord& record : reading.records) {
    if (record.entry.type == static_cast<uint8_t>(SecureCertType::kIntegrity)) continue;
    if (FindEntry(entries, static_cast<SecureCertType>(record.entry.type), record.entry.subtype) !=
        nullptr) {
      return Refuse(Reason::IMAGE_MALFORMED,
                    absl::StrCat(NameOf(record.entry.type, record.entry.subtype),
                                 ": the entry stands twice"));
    }
    entries.push_back(std::move(record.entry));
  }
  return entries;
}

const SecureCertEntry* FindEntry(const std::vector<SecureCertEntry>& entries, SecureCertType type,
                                 uint8_t subtype) {
  for (const SecureCertEntry& entry : entries) {
    if (entry.type == static_cast<uint8_t>(type) && entry.subtype == subtype) return &entry;
  }
  return nullptr;
}

absl::StatusOr<SecretBytes> EncodeSec1Key(ByteView private_key32, ByteView public_key65) {
  if (private_key32.size() != 32 || public_key65.size() != 65 || public_key65[0] != 0x04) {
    return RefuseField(
        Reason::FIELD_OUT_OF_RANGE, "dac_key", "",
        "a private key of 32 bytes and an uncompressed public key of 65 bytes are needed");
  }
  SecretBytes key(kSec1KeySize);
  std::memcpy(key.data(), kSec1Head, sizeof kSec1Head);
  std::memcpy(key.data() + 7, private_key32.data(), 32);
  std::memcpy(key.data() + 39, kSec1Middle, sizeof kSec1Middle);
  std::memcpy(key.data() + 56, public_key65.data(), 65);
  return key;
}

absl::StatusOr<Sec1Key> ParseSec1Key(ByteView der) {
  if (der.size() != kSec1KeySize || std::memcmp(der.data(), kSec1Head, sizeof kSec1Head) != 0 ||
      std::memcmp(der.data() + 39, kSec1Middle, sizeof kSec1Middle) != 0 || der[56] != 0x04) {
    return RefuseField(Reason::IMAGE_MALFORMED, "dac_key", "",
                       "not a SEC1 key of 121 bytes on P-256");
  }
  return Sec1Key{SecretBytes::CopyOf(der.subspan(7, 32)), ToBytes(der.subspan(56, 65))};
}

absl::StatusOr<Bytes> EncodeSecurityConfig(uint8_t efuse_key_id) {
  if (efuse_key_id > 5) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "efuse_key_id", absl::StrCat(int{efuse_key_id}),
                       "must be 0 to 5");
  }
  Bytes config(40);
  config[0] = static_cast<uint8_t>(efuse_key_id + 4);
  return config;
}

absl::StatusOr<SecretBytes> EncodeEfuseKeyBlock(ByteView private_key32) {
  if (private_key32.size() != 32) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "dac_key",
                       absl::StrCat(private_key32.size(), " bytes"), "must be 32 bytes");
  }
  SecretBytes block(32);
  std::reverse_copy(private_key32.begin(), private_key32.end(), block.data());
  return block;
}

}  // namespace assay::image
