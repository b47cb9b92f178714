#include "image/image.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/esp32_format.h"
#include "image/text.h"
#include "matter/certificate.h"

namespace assay::image {
namespace {

constexpr std::string_view kKindNames[] = {"nvs", "nvs-keys", "secure-cert", "hmac-efuse-key",
                                           "ecdsa-efuse-key"};

// One line a format.
std::vector<const ImageFormat*> Formats() { return {&Esp32Format()}; }

}  // namespace

std::string_view ImageFileKindName(ImageFileKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

std::optional<ImageFileKind> ImageFileKindOf(std::string_view name) {
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    if (kKindNames[i] == name) return static_cast<ImageFileKind>(i);
  }
  return std::nullopt;
}

ImageFile ImageFile::Clone() const {
  return {kind, name, bytes.Clone(), partition_label, offset, key_material};
}

const ImageFormat* FindImageFormat(std::string_view name) {
  for (const ImageFormat* format : Formats()) {
    if (format->name() == name) return format;
  }
  return nullptr;
}

std::vector<std::string> ImageFormatNames() {
  std::vector<std::string> names;
  for (const ImageFormat* format : Formats()) names.emplace_back(format->name());
  return names;
}

absl::Status CheckUnitName(std::string_view name) {
  const bool safe = !name.empty() && name.size() <= 128 && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
                    });
  if (safe) return absl::OkStatus();
  return RefuseField(Reason::FIELD_MALFORMED, "unit_name", Text(name),
                     "1 to 128 letters, digits, '-', '_' and '.', not beginning with '.'");
}

FactoryContent ContentInImage(const FactoryContent& content, const ImageOptions& options) {
  FactoryContent kept = content.Clone();
  // The secure-cert partition names the public key only within certificate and key.
  if (kept.placement.attestation_in_secure_cert && kept.dac_public_key.empty()) {
    if (const auto dac = matter::Certificate::Parse(kept.dac); dac.ok()) {
      kept.dac_public_key = ToBytes(dac->public_key());
    }
  }
  if (options.nvs) return kept;
  FactoryContent apart;
  apart.placement = kept.placement;
  if (kept.placement.attestation_in_secure_cert) {
    apart.dac = std::move(kept.dac);
    apart.dac_key = std::move(kept.dac_key);
    apart.dac_public_key = std::move(kept.dac_public_key);
    apart.pai = std::move(kept.pai);
  }
  if (kept.placement.commissioning_in_secure_cert) {
    apart.discriminator = kept.discriminator;
    apart.iteration_count = kept.iteration_count;
    apart.salt = std::move(kept.salt);
    apart.verifier = std::move(kept.verifier);
  }
  if (kept.placement.rotating_id_in_secure_cert) apart.rotating_id = std::move(kept.rotating_id);
  return apart;
}

absl::StatusOr<std::vector<ImageFile>> BuildProvenImage(const FactoryContent& content,
                                                        const ImageOptions& options,
                                                        std::string_view unit_name,
                                                        Random& random) {
  const ImageFormat* format = FindImageFormat(options.format);
  if (format == nullptr) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "image.format", options.format,
                       "no format has this name");
  }
  auto files = format->Build(content, options, unit_name, random);
  if (!files.ok()) return files.status();
  const auto found = format->ReadBack(*files, options);
  if (!found.ok()) {
    return Refuse(Reason::VERIFY_FAILED,
                  absl::StrCat("the image does not read back: ", found.status().message()));
  }
  ASSAY_RETURN_IF_ERROR(CompareFactoryContent(ContentInImage(content, options), *found));
  return files;
}

}  // namespace assay::image
