#include "image/inspect.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "base/secret.h"
#include "image/factory_known.h"
#include "image/nvs.h"
#include "image/nvs_encryption.h"
#include "image/nvs_layout.h"
#include "image/secure_cert.h"
#include "image/text.h"

namespace assay::image {
namespace {

std::string ShortDigest(ByteView value) { return ToHex(ByteView(Sha256(value)).first(8)); }

// Value as text, the bytes it stands for, and its size.
struct Shown {
  std::string text;
  Bytes bytes;
};

Shown Show(const NvsValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return {absl::Utf8SafeCEscape(*text), ToBytes(AsBytes(*text))};
  }
  if (const auto* blob = std::get_if<Bytes>(&value)) return {ToHex(*blob), *blob};
  Shown shown;
  std::visit(
      [&](const auto& number) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(number)>>) {
          shown.text = std::to_string(number);
          shown.bytes.resize(sizeof number);
          std::memcpy(shown.bytes.data(), &number, sizeof number);
        }
      },
      value);
  return shown;
}

void SetValue(InspectedItem& item, Shown shown, bool show_secrets) {
  item.size = shown.bytes.size();
  if (item.secret && !show_secrets) {
    item.value = std::string(kMaskedValue);
  } else {
    item.value = std::move(shown.text);
    item.digest = ShortDigest(shown.bytes);
  }
  if (item.secret) WipeBytes(shown.bytes);
}

// Whether a record's data has a CRC of its own beside the header's.
bool HasBodyCrc(const NvsRecord& record) {
  return record.type == kNvsString || record.type == kNvsBlobV1 || record.type == kNvsBlobChunk;
}

void CountCrcs(const NvsRecord& record, InspectedItem& item) {
  item.crcs += 1;
  item.crcs_right += record.header_crc_ok;
  if (!record.header_crc_ok || !HasBodyCrc(record)) return;
  item.crcs += 1;
  item.crcs_right += record.body_crc_ok;
}

std::string PlaceOf(const NvsRecord& record) {
  return absl::StrCat("page ", record.page, " slot ", record.slot);
}

std::string NvsSummary(const NvsReading& reading) {
  size_t used = 0;
  uint8_t version = 0xFF;
  for (const NvsPage& page : reading.pages) {
    if (!page.in_use()) continue;
    ++used;
    version = page.version;
  }
  return absl::StrCat("NVS v", version == static_cast<uint8_t>(NvsVersion::kV1) ? 1 : 2, ", ",
                      reading.pages.size(), " pages, ", used, " in use, ", reading.entries.size(),
                      " entries");
}

absl::string_view PageStateName(uint32_t state) {
  switch (state) {
    case kNvsPageEmpty:
      return "unused";
    case kNvsPageActive:
      return "active";
    case kNvsPageFull:
      return "full";
    case kNvsPageFreeing:
      return "freeing";
  }
  return "unknown";
}

void AddPages(const NvsReading& reading, Inspection& inspection) {
  for (const NvsPage& page : reading.pages) {
    inspection.pages.push_back({std::string(PageStateName(page.state)), page.in_use(),
                                page.header_crc_ok, page.written, page.erased});
  }
}

// Where not one entry can be read, says why that is most likely so, before the long list.
void AddOpeningHint(const NvsReading& reading, bool with_keys, Inspection& inspection) {
  const bool readable = std::any_of(reading.records.begin(), reading.records.end(),
                                    [](const NvsRecord& record) { return record.header_crc_ok; });
  if (reading.records.empty() || readable) return;
  inspection.faults.insert(inspection.faults.begin(),
                           with_keys ? "no entry can be read: these keys do not open the image"
                                     : "no entry can be read: the image is encrypted, give its "
                                       "keys partition or its HMAC key");
}

absl::StatusOr<SecretBytes> Opened(ByteView file, ByteView keys) {
  SecretBytes image = SecretBytes::CopyOf(file);
  if (keys.empty()) return image;
  auto xts_key = keys.size() == kHmacEfuseKeySize ? DeriveXtsKey(keys) : ParseKeyPartition(keys);
  if (!xts_key.ok()) return xts_key.status();
  ASSAY_RETURN_IF_ERROR(DecryptNvs({image.data(), image.size()}, xts_key->view()));
  return image;
}

absl::StatusOr<Inspection> InspectNvs(ByteView file, const InspectOptions& options) {
  const auto image = Opened(file, options.nvs_keys);
  if (!image.ok()) return image.status();
  auto reading = ReadNvs(image->view());
  if (!reading.ok()) return reading.status();
  Inspection inspection;
  inspection.kind = InspectedKind::kNvs;
  inspection.summary = NvsSummary(*reading);
  inspection.faults = reading->faults;
  AddPages(*reading, inspection);
  AddOpeningHint(*reading, !options.nvs_keys.empty(), inspection);
  std::map<std::pair<std::string, std::string>, const NvsEntry*> entries;
  std::map<std::pair<std::string, std::string>, size_t> items;
  for (const NvsEntry& entry : reading->entries)
    entries.emplace(std::pair{entry.name_space, entry.key}, &entry);
  for (const NvsRecord& record : reading->records) {
    InspectedItem item;
    item.where = PlaceOf(record);
    if (!record.fault.empty()) {
      item.name =
          record.key.empty()
              ? "(unreadable)"
              : absl::StrCat(record.name_space.empty() ? "?" : record.name_space, "/", record.key);
      item.type = absl::StrFormat("0x%02X", record.type);
      item.value = record.fault;
      item.sound = false;
      CountCrcs(record, item);
      inspection.items.push_back(std::move(item));
      continue;
    }
    if (record.namespace_index == 0) continue;
    // The first record of an entry brings it; further chunks and the index bring their CRCs.
    const std::pair name{record.name_space, record.key};
    if (const auto brought = items.find(name); brought != items.end()) {
      CountCrcs(record, inspection.items[brought->second]);
      continue;
    }
    const auto found = entries.find(name);
    if (found == entries.end()) continue;
    item.name = absl::StrCat(record.name_space, "/", record.key);
    item.type = std::string(NvsTypeName(found->second->value));
    item.secret = IsSecretFactoryKey(record.key);
    SetValue(item, Show(found->second->value), options.show_secrets);
    CountCrcs(record, item);
    items.emplace(name, inspection.items.size());
    inspection.items.push_back(std::move(item));
  }
  for (NvsEntry& entry : reading->entries) entry.secret = IsSecretFactoryKey(entry.key);
  return inspection;
}

absl::string_view SecureCertName(uint8_t type, uint8_t subtype) {
  switch (static_cast<SecureCertType>(type)) {
    case SecureCertType::kCaCertificate:
      return "CA certificate (PAI)";
    case SecureCertType::kDeviceCertificate:
      return "device certificate (DAC)";
    case SecureCertType::kPrivateKey:
      return "private key";
    case SecureCertType::kDsContents:
      return "DS contents";
    case SecureCertType::kDsContext:
      return "DS context";
    case SecureCertType::kEcdsaKeySalt:
      return "ECDSA key salt";
    case SecureCertType::kSecurityConfig:
      return "security configuration";
    case SecureCertType::kTeeKey:
      return "TEE key";
    case SecureCertType::kSignatureBlock:
      return "signature block";
    case SecureCertType::kIntegrity:
      return "integrity";
    case SecureCertType::kMatterMore:
      return "Matter";
    case SecureCertType::kMatter:
      break;
  }
  if (type != static_cast<uint8_t>(SecureCertType::kMatter)) return "unknown";
  switch (subtype) {
    case kMatterDiscriminator:
      return "discriminator";
    case kMatterVerifier:
      return "verifier";
    case kMatterSalt:
      return "salt";
    case kMatterIterations:
      return "iteration count";
    case kMatterRotatingId:
      return "rotating id";
    case kMatterRandomA:
    case kMatterRandomB:
      return "random bytes";
    default:
      return "Matter";
  }
}

bool IsSecretEntry(const SecureCertEntry& entry) {
  return entry.type == static_cast<uint8_t>(SecureCertType::kPrivateKey) ||
         entry.type == static_cast<uint8_t>(SecureCertType::kTeeKey) ||
         (entry.type == static_cast<uint8_t>(SecureCertType::kMatter) &&
          (entry.subtype == kMatterVerifier || entry.subtype == kMatterRotatingId));
}

Inspection InspectSecureCert(ByteView file, const InspectOptions& options) {
  const SecureCertReading reading = ReadSecureCert(file);
  Inspection inspection;
  inspection.kind = InspectedKind::kSecureCert;
  inspection.faults = reading.faults;
  inspection.summary = absl::StrCat(
      "esp_secure_cert, ", file.size(), " bytes, ", reading.records.size(), " entries, ",
      reading.tail == SecureCertTail::kPadded ? "padded" : "short", " tail",
      reading.integrity_ok ? (*reading.integrity_ok ? ", integrity holds" : ", integrity broken")
                           : "");
  for (const SecureCertRecord& record : reading.records) {
    const SecureCertEntry& entry = record.entry;
    InspectedItem item;
    item.where = absl::StrFormat("offset 0x%04X", record.offset);
    item.name = absl::StrCat(int{entry.type}, "/", int{entry.subtype}, " ",
                             SecureCertName(entry.type, entry.subtype));
    item.type = entry.flags == 0 ? "tlv" : absl::StrFormat("tlv, flags 0x%02X", entry.flags);
    item.secret = IsSecretEntry(entry);
    item.sound = record.crc_ok;
    item.crcs = 1;
    item.crcs_right = record.crc_ok;
    if ((entry.flags & kFlagKeyInEfuse) != 0 && !entry.data.empty()) {
      item.sound = false;
      inspection.faults.push_back(
          absl::StrCat(item.where, ": a key that belongs to the eFuse alone lies in flash"));
    }
    SetValue(item, {ToHex(entry.data.view()), ToBytes(entry.data.view())}, options.show_secrets);
    inspection.items.push_back(std::move(item));
  }
  return inspection;
}

Inspection InspectKeys(ByteView file, const InspectOptions& options) {
  Inspection inspection;
  inspection.kind = InspectedKind::kNvsKeys;
  inspection.summary = "NVS key partition, XTS-AES-256";
  const auto key = ParseKeyPartition(file);
  if (!key.ok()) inspection.faults.emplace_back(key.status().message());
  const bool crc_ok = ReadLe32(file.data() + kXtsKeySize) == EspCrc32(file.first(kXtsKeySize));
  for (size_t half = 0; half < 2; ++half) {
    InspectedItem item;
    item.where = absl::StrFormat("offset 0x%04X", 32 * half);
    item.name = half == 0 ? "data key" : "tweak key";
    item.type = "key";
    item.secret = true;
    item.sound = key.ok();
    item.crcs = 1;
    item.crcs_right = crc_ok;
    const ByteView bytes = file.subspan(32 * half, 32);
    SetValue(item, {ToHex(bytes), ToBytes(bytes)}, options.show_secrets);
    inspection.items.push_back(std::move(item));
  }
  return inspection;
}

bool LooksLikeKeys(ByteView file) {
  if (file.size() != kNvsKeyPartitionSize) return false;
  if (ParseKeyPartition(file).ok()) return true;
  const bool page =
      ReadLe32(file.data() + kNvsPageCrcAt) == EspCrc32(file.subspan(4, kNvsPageCrcAt - 4));
  const auto erased = [](ByteView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0xFF; });
  };
  return !page && erased(file.subspan(kXtsKeySize + 4)) && !erased(file.first(kXtsKeySize));
}

bool BeginsPage(ByteView bytes) {
  if (bytes.size() < 4) return false;
  const uint32_t state = ReadLe32(bytes.data());
  return state == kNvsPageActive || state == kNvsPageFull || state == kNvsPageFreeing;
}

bool LooksLikeNvs(ByteView file) {
  if (file.empty() || file.size() % kNvsPageSize != 0) return false;
  for (size_t at = 0; at < file.size(); at += kNvsPageSize) {
    if (BeginsPage(file.subspan(at))) return true;
  }
  return std::all_of(file.begin(), file.end(), [](uint8_t byte) { return byte == 0xFF; });
}

constexpr std::string_view kKindNames[] = {"nvs", "nvs-keys", "secure-cert"};

}  // namespace

std::string_view InspectedKindName(InspectedKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

absl::StatusOr<Inspection> InspectImage(ByteView file, const InspectOptions& options) {
  static constexpr uint8_t kSecureCertMagic[] = {0x11, 0xBA, 0x5E, 0xBA};
  if (file.size() >= 4 && std::memcmp(file.data(), kSecureCertMagic, 4) == 0)
    return InspectSecureCert(file, options);
  if (LooksLikeKeys(file)) return InspectKeys(file, options);
  if (LooksLikeNvs(file)) return InspectNvs(file, options);
  if (BeginsPage(file)) {
    return RefuseField(
        Reason::IMAGE_MALFORMED, "image", absl::StrCat(file.size(), " bytes"),
        "an NVS image is whole pages of 4096 bytes: this one is cut off, or too long");
  }
  return RefuseField(Reason::IMAGE_MALFORMED, "image", absl::StrCat(file.size(), " bytes"),
                     "neither an NVS image nor a key partition nor a secure-cert partition");
}

}  // namespace assay::image
