#include "client/mfg_tool/device_keys.h"

#include <map>
#include <set>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/factory_keys.h"
#include "image/nvs.h"
#include "image/nvs_encryption.h"
#include "image/secure_cert.h"
#include "matter/certificate.h"

namespace assay::client {
namespace {

using image::NvsEntry;

const v1::ImageFile* Find(const v1::Identity& identity, absl::string_view name) {
  for (const v1::ImageFile& image : identity.images()) {
    if (image.name() == name) return &image;
  }
  return nullptr;
}

// The 64-byte XTS key of an encrypted factory image.
absl::StatusOr<SecretBytes> OpeningKey(const v1::Identity& identity, v1::NvsEncryption encryption) {
  const bool hmac = encryption == v1::NVS_ENCRYPTION_HMAC;
  const v1::ImageFile* const keys = Find(identity, hmac ? "hmac_efuse_key" : "nvs_keys");
  if (keys == nullptr || keys->withheld()) {
    return RefuseField(Reason::ROLE_MISSING, "images", "",
                       "the image is encrypted and its keys are given to the role keys only");
  }
  return hmac ? image::DeriveXtsKey(AsBytes(keys->content()))
              : image::ParseKeyPartition(AsBytes(keys->content()));
}

absl::StatusOr<std::vector<NvsEntry>> FactoryEntries(const v1::Identity& identity,
                                                     const v1::ProductSpec& spec) {
  const v1::ImageFile* const factory = Find(identity, "factory");
  if (factory == nullptr) return std::vector<NvsEntry>{};
  SecretBytes bytes = SecretBytes::CopyOf(AsBytes(factory->content()));
  if (spec.image().encryption() != v1::NVS_ENCRYPTION_NONE) {
    const auto key = OpeningKey(identity, spec.image().encryption());
    if (!key.ok()) return key.status();
    ASSAY_RETURN_IF_ERROR(image::DecryptNvs({bytes.data(), bytes.size()}, key->view()));
  }
  return image::ParseNvs(bytes.view());
}

bool IsFileKey(const NvsEntry& entry) {
  static const auto* const kKeys =
      new std::set<std::string>{"dac-cert", "dac-key", "dac-pub-key", "pai-cert", "cert-dclrn"};
  return entry.name_space == image::kFactoryNamespace && kKeys->contains(entry.key);
}

void SetValue(const NvsEntry& entry, const std::string& declared, DeviceKey& key) {
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<Held>) {
          key.encoding = std::string(image::NvsTypeName(entry.value));
          key.value = std::to_string(held);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          key.encoding = "string";
          key.value = held;
        } else if (IsFileKey(entry)) {
          key.type = "file";
          key.encoding = "binary";
          key.content = held;
        } else if (declared == "base64") {
          key.encoding = "base64";
          key.value = ToBase64(held);
        } else {
          key.encoding = "hex2bin";
          key.value = ToHex(held);
        }
      },
      entry.value);
}

// DAC, key and PAI of the secure-cert image, where they are there.
absl::Status ReadSecureCert(const v1::Identity& identity, DeviceContent& content) {
  const v1::ImageFile* const file = Find(identity, "esp_secure_cert");
  if (file == nullptr || file->withheld()) return absl::OkStatus();
  const auto entries = image::ParseSecureCert(AsBytes(file->content()));
  if (!entries.ok()) return entries.status();
  const auto* key = image::FindEntry(*entries, image::SecureCertType::kPrivateKey);
  if (key == nullptr || (key->flags & image::kFlagKeyInEfuse) != 0) return absl::OkStatus();
  auto parsed = image::ParseSec1Key(key->data.view());
  if (!parsed.ok()) return parsed.status();
  content.dac_key = std::move(parsed->private_key);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DeviceContent> ReadDeviceContent(const v1::Identity& identity,
                                                const v1::ProductSpec& spec) {
  DeviceContent content;
  auto entries = FactoryEntries(identity, spec);
  if (!entries.ok()) return Within("factory image", entries.status());
  std::map<std::pair<std::string, std::string>, std::string> declared;
  for (const v1::ExtraKey& key : spec.extra_keys()) {
    const std::string name_space = key.namespace_().empty() ? "chip-factory" : key.namespace_();
    declared[{name_space, key.key()}] = key.encoding();
  }
  for (NvsEntry& entry : *entries) {
    if (entry.name_space == image::kFactoryNamespace && entry.key == "dac-key") {
      if (auto* bytes = std::get_if<Bytes>(&entry.value)) {
        content.dac_key = SecretBytes::CopyOf(*bytes);
      }
      entry.Wipe();
      entry.value = Bytes();
    }
    DeviceKey key{entry.name_space, entry.key, "data", "", "", {}};
    const auto found = declared.find({entry.name_space, entry.key});
    SetValue(entry, found == declared.end() ? "" : found->second, key);
    content.keys.push_back(std::move(key));
  }
  ASSAY_RETURN_IF_ERROR(ReadSecureCert(identity, content));
  if (!identity.dac().empty()) {
    const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
    if (!dac.ok()) return Within("dac", dac.status());
    content.dac_public_key = ToBytes(dac->public_key());
  }
  return content;
}

}  // namespace assay::client
