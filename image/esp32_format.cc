#include "image/esp32_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/factory_known.h"
#include "image/nvs_encryption.h"
#include "image/text.h"
#include "matter/certificate.h"

namespace assay::image {
namespace {

constexpr size_t kPartitionLabelSize = 16;
constexpr std::string_view kSecureCertLabel = "esp_secure_cert";

bool HasSecureCert(const FactoryContent& content) {
  return content.placement.attestation_in_secure_cert;
}

absl::Status CheckLabel(absl::string_view field, const std::string& label) {
  if (!label.empty() && label.size() <= kPartitionLabelSize) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, label,
                     "a partition label has 1 to 16 bytes");
}

Bytes Le16(uint16_t value) {
  Bytes out;
  AppendLe16(out, value);
  return out;
}
Bytes Le32(uint32_t value) {
  Bytes out;
  AppendLe32(out, value);
  return out;
}

absl::Status Malformed(absl::string_view what) {
  return Refuse(Reason::IMAGE_MALFORMED, absl::StrCat("image: ", what));
}

// Entries in mfg_tool's order.
absl::StatusOr<std::vector<SecureCertEntry>> SecureCertEntries(const FactoryContent& content,
                                                               const ImageOptions& options,
                                                               Random& random) {
  std::vector<SecureCertEntry> entries;
  if (options.efuse_key_id) {
    auto config = EncodeSecurityConfig(*options.efuse_key_id);
    if (!config.ok()) return config.status();
    entries.emplace_back(SecureCertType::kSecurityConfig, 0, *config);
  }
  entries.emplace_back(SecureCertType::kDeviceCertificate, 0, content.dac);
  entries.emplace_back(SecureCertType::kCaCertificate, 0, content.pai);
  if (options.efuse_key_id) {
    // Header and flags are all the device needs; the key itself stays out of flash.
    entries.emplace_back(SecureCertType::kPrivateKey, 0, ByteView(), kFlagKeyInEfuse);
  } else if (!content.dac_key.empty()) {
    auto key = EncodeSec1Key(content.dac_key.view(), content.dac_public_key);
    if (!key.ok()) return key.status();
    entries.emplace_back(SecureCertType::kPrivateKey, 0, key->view());
  }
  const auto matter = [&](uint8_t subtype, ByteView value) {
    if (!value.empty()) entries.emplace_back(SecureCertType::kMatter, subtype, value);
  };
  if (content.placement.commissioning_in_secure_cert) {
    if (content.discriminator) matter(kMatterDiscriminator, Le16(*content.discriminator));
    matter(kMatterVerifier, content.verifier);
    matter(kMatterSalt, content.salt);
    if (content.iteration_count) matter(kMatterIterations, Le32(*content.iteration_count));
  }
  if (content.placement.rotating_id_in_secure_cert) matter(kMatterRotatingId, content.rotating_id);
  if (content.placement.commissioning_in_secure_cert) {
    matter(kMatterRandomA, random.DrawSecret(32).view());
    matter(kMatterRandomB, random.DrawSecret(32).view());
  }
  return entries;
}

class FileList {
 public:
  explicit FileList(std::string_view unit_name) : unit_(unit_name) {}
  void Add(ImageFileKind kind, absl::string_view suffix, SecretBytes bytes, std::string label,
           std::optional<uint32_t> offset, bool key_material) {
    files_.push_back({kind, absl::StrCat(unit_, suffix), std::move(bytes), std::move(label), offset,
                      key_material});
  }
  std::vector<ImageFile> Take() { return std::move(files_); }

 private:
  std::string unit_;
  std::vector<ImageFile> files_;
};

absl::Status AddNvs(const FactoryContent& content, const ImageOptions& options, Random& random,
                    FileList& out) {
  auto image = BuildNvs(ToNvsEntries(content), options.nvs_options);
  if (!image.ok()) return image.status();
  SecretBytes efuse_key;
  SecretBytes xts_key;
  if (options.protection == NvsProtection::kKeyPartition) xts_key = DrawXtsKey(random);
  if (options.protection == NvsProtection::kHmac) {
    efuse_key = random.DrawSecret(kHmacEfuseKeySize);
    auto derived = DeriveXtsKey(efuse_key.view());
    if (!derived.ok()) return derived.status();
    xts_key = *std::move(derived);
  }
  if (!xts_key.empty())
    ASSAY_RETURN_IF_ERROR(EncryptNvs({image->data(), image->size()}, xts_key.view()));
  out.Add(ImageFileKind::kNvs, "-partition.bin", *std::move(image), options.nvs_label,
          options.nvs_offset, false);
  if (options.protection == NvsProtection::kKeyPartition) {
    auto keys = BuildKeyPartition(xts_key.view());
    if (!keys.ok()) return keys.status();
    out.Add(ImageFileKind::kNvsKeys, "-keys-partition.bin", *std::move(keys),
            options.nvs_keys_label, options.nvs_keys_offset, true);
  } else if (options.protection == NvsProtection::kHmac) {
    out.Add(ImageFileKind::kHmacEfuseKey, "-hmac-key.bin", std::move(efuse_key), "", std::nullopt,
            true);
  }
  return absl::OkStatus();
}

absl::Status AddSecureCert(const FactoryContent& content, const ImageOptions& options,
                           Random& random, FileList& out) {
  auto entries = SecureCertEntries(content, options, random);
  if (!entries.ok()) return entries.status();
  auto image = BuildSecureCert(*entries, options.secure_cert);
  if (!image.ok()) return image.status();
  out.Add(ImageFileKind::kSecureCert, "_esp_secure_cert.bin", *std::move(image),
          std::string(kSecureCertLabel), options.secure_cert_offset, false);
  if (options.efuse_key_id && !content.dac_key.empty()) {
    auto block = EncodeEfuseKeyBlock(content.dac_key.view());
    if (!block.ok()) return block.status();
    out.Add(ImageFileKind::kEcdsaEfuseKey, "-efuse-key.bin", *std::move(block), "", std::nullopt,
            true);
  }
  return absl::OkStatus();
}

const ImageFile* FindFile(const std::vector<ImageFile>& files, ImageFileKind kind) {
  for (const ImageFile& file : files) {
    if (file.kind == kind) return &file;
  }
  return nullptr;
}

absl::StatusOr<FactoryContent> ReadNvsFile(const std::vector<ImageFile>& files,
                                           const ImageOptions& options) {
  const ImageFile* file = FindFile(files, ImageFileKind::kNvs);
  if (file == nullptr) return Malformed("the NVS image is missing");
  SecretBytes decrypted;
  ByteView image = file->bytes.view();
  if (options.protection != NvsProtection::kPlain) {
    const bool hmac = options.protection == NvsProtection::kHmac;
    const ImageFile* keys =
        FindFile(files, hmac ? ImageFileKind::kHmacEfuseKey : ImageFileKind::kNvsKeys);
    if (keys == nullptr) return Malformed("the NVS image is encrypted and its keys are missing");
    auto xts_key = hmac ? DeriveXtsKey(keys->bytes.view()) : ParseKeyPartition(keys->bytes.view());
    if (!xts_key.ok()) return xts_key.status();
    decrypted = file->bytes.Clone();
    ASSAY_RETURN_IF_ERROR(DecryptNvs({decrypted.data(), decrypted.size()}, xts_key->view()));
    image = decrypted.view();
  }
  auto entries = ParseNvs(image);
  if (!entries.ok()) return entries.status();
  for (NvsEntry& entry : *entries) entry.secret = IsSecretFactoryKey(entry.key);
  return FromNvsEntries(*entries);
}

// Puts a value from the secure-cert partition where NVS left room for it.
absl::Status PlaceBlob(absl::string_view name, const SecureCertEntry* entry, Bytes& field) {
  if (entry == nullptr) return absl::OkStatus();
  if (!field.empty()) return Malformed(absl::StrCat(name, " lies in both partitions"));
  field = ToBytes(entry->data.view());
  return absl::OkStatus();
}

absl::Status ReadKeyEntry(const std::vector<SecureCertEntry>& entries,
                          const std::vector<ImageFile>& files, const ImageOptions& options,
                          FactoryContent& content) {
  const SecureCertEntry* key = FindEntry(entries, SecureCertType::kPrivateKey);
  if (!content.dac_key.empty()) return Malformed("the DAC key lies in NVS as well");
  const auto dac = matter::Certificate::Parse(content.dac);
  if (!dac.ok()) return Malformed(absl::StrCat("the DAC cannot be read: ", dac.status().message()));
  const Bytes point = ToBytes(dac->public_key());
  if (!content.dac_public_key.empty() && content.dac_public_key != point) {
    return Malformed("the public key in NVS is not the DAC's");
  }
  content.dac_public_key = point;
  if (options.efuse_key_id) {
    const SecureCertEntry* config = FindEntry(entries, SecureCertType::kSecurityConfig);
    const auto wanted = EncodeSecurityConfig(*options.efuse_key_id);
    if (!wanted.ok()) return wanted.status();
    if (config == nullptr || ToBytes(config->data.view()) != *wanted) {
      return Malformed("the security configuration names another eFuse block");
    }
    if (key == nullptr || key->flags != kFlagKeyInEfuse)
      return Malformed("the eFuse key's entry is missing");
    if (!key->data.empty()) return Malformed("a key that belongs to the eFuse lies in flash");
    if (const ImageFile* block = FindFile(files, ImageFileKind::kEcdsaEfuseKey)) {
      if (block->bytes.size() != 32) return Malformed("an eFuse key block has 32 bytes");
      content.dac_key = SecretBytes(32);
      std::reverse_copy(block->bytes.data(), block->bytes.data() + 32, content.dac_key.data());
    }
    return absl::OkStatus();
  }
  if (key == nullptr) return absl::OkStatus();  // the device made its own key
  auto pair = ParseSec1Key(key->data.view());
  if (!pair.ok()) return pair.status();
  if (pair->public_key != point) return Malformed("the private key is not the DAC's");
  content.dac_key = std::move(pair->private_key);
  return absl::OkStatus();
}

absl::Status ReadMatterEntries(const std::vector<SecureCertEntry>& entries,
                               FactoryContent& content) {
  const auto find = [&](uint8_t subtype) {
    return FindEntry(entries, SecureCertType::kMatter, subtype);
  };
  const SecureCertEntry* discriminator = find(kMatterDiscriminator);
  const SecureCertEntry* iterations = find(kMatterIterations);
  if (discriminator != nullptr) {
    if (discriminator->data.size() != 2) return Malformed("entry 201/0 has 2 bytes");
    if (content.discriminator) return Malformed("the discriminator lies in both partitions");
    content.discriminator = ReadLe16(discriminator->data.data());
  }
  if (iterations != nullptr) {
    if (iterations->data.size() != 4) return Malformed("entry 201/3 has 4 bytes");
    if (content.iteration_count) return Malformed("the iteration count lies in both partitions");
    content.iteration_count = ReadLe32(iterations->data.data());
  }
  ASSAY_RETURN_IF_ERROR(PlaceBlob("the verifier", find(kMatterVerifier), content.verifier));
  ASSAY_RETURN_IF_ERROR(PlaceBlob("the salt", find(kMatterSalt), content.salt));
  ASSAY_RETURN_IF_ERROR(PlaceBlob("the rotating id", find(kMatterRotatingId), content.rotating_id));
  content.placement.commissioning_in_secure_cert = find(kMatterRandomA) != nullptr;
  content.placement.rotating_id_in_secure_cert = content.placement.commissioning_in_secure_cert;
  return absl::OkStatus();
}

absl::Status ReadSecureCertFile(const ImageFile& file, const std::vector<ImageFile>& files,
                                const ImageOptions& options, FactoryContent& content) {
  const SecureCertReading reading = ReadSecureCert(file.bytes.view());
  if (options.secure_cert.integrity && !reading.integrity_ok)
    return Malformed("the integrity entry is missing");
  if (reading.tail != options.secure_cert.tail)
    return Malformed("the secure-cert image ends otherwise than asked for");
  auto entries = ParseSecureCert(file.bytes.view());
  if (!entries.ok()) return entries.status();
  const SecureCertEntry* dac = FindEntry(*entries, SecureCertType::kDeviceCertificate);
  const SecureCertEntry* pai = FindEntry(*entries, SecureCertType::kCaCertificate);
  if (dac == nullptr || pai == nullptr) return Malformed("the secure-cert image lacks DAC or PAI");
  ASSAY_RETURN_IF_ERROR(PlaceBlob("the DAC", dac, content.dac));
  ASSAY_RETURN_IF_ERROR(PlaceBlob("the PAI", pai, content.pai));
  content.placement.attestation_in_secure_cert = true;
  ASSAY_RETURN_IF_ERROR(ReadKeyEntry(*entries, files, options, content));
  return ReadMatterEntries(*entries, content);
}

class Esp32 final : public ImageFormat {
 public:
  std::string_view name() const override { return "esp32"; }

  absl::Status Check(const FactoryContent& content, const ImageOptions& options) const override {
    if (options.format != "esp32") {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "image.format", options.format,
                         "must be esp32");
    }
    ASSAY_RETURN_IF_ERROR(CheckLabel("image.nvs_label", options.nvs_label));
    ASSAY_RETURN_IF_ERROR(CheckLabel("image.nvs_keys_label", options.nvs_keys_label));
    if (!options.nvs && !HasSecureCert(content)) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "image.nvs", "",
                         "without the NVS image and a secure-cert image nothing is made");
    }
    if (!options.nvs && options.protection != NvsProtection::kPlain) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "image.protection", "",
                         "there is no NVS image to encrypt");
    }
    if (!options.efuse_key_id) return absl::OkStatus();
    if (!HasSecureCert(content)) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "image.efuse_key_id", "",
                         "a key in the eFuse needs the attestation in the secure-cert partition");
    }
    return EncodeSecurityConfig(*options.efuse_key_id).status();
  }

  absl::StatusOr<std::vector<ImageFile>> Build(const FactoryContent& content,
                                               const ImageOptions& options,
                                               std::string_view unit_name,
                                               Random& random) const override {
    ASSAY_RETURN_IF_ERROR(CheckUnitName(unit_name));
    ASSAY_RETURN_IF_ERROR(CheckFactoryContent(content));
    ASSAY_RETURN_IF_ERROR(Check(content, options));
    FileList files(unit_name);
    if (options.nvs) ASSAY_RETURN_IF_ERROR(AddNvs(content, options, random, files));
    if (HasSecureCert(content))
      ASSAY_RETURN_IF_ERROR(AddSecureCert(content, options, random, files));
    return files.Take();
  }

  absl::StatusOr<FactoryContent> ReadBack(const std::vector<ImageFile>& files,
                                          const ImageOptions& options) const override {
    FactoryContent content;
    if (options.nvs) {
      auto read = ReadNvsFile(files, options);
      if (!read.ok()) return read.status();
      content = *std::move(read);
    }
    const ImageFile* secure_cert = FindFile(files, ImageFileKind::kSecureCert);
    if (secure_cert != nullptr) {
      ASSAY_RETURN_IF_ERROR(ReadSecureCertFile(*secure_cert, files, options, content));
    } else if (!options.nvs) {
      return Malformed("the secure-cert image is missing");
    }
    return content;
  }
};

}  // namespace

const ImageFormat& Esp32Format() {
  static const Esp32 format;
  return format;
}

}  // namespace assay::image
