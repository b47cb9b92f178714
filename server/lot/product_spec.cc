#include "server/lot/product_spec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/random.h"
#include "base/refusal.h"
#include "image/text.h"
#include "matter/passcode.h"
#include "matter/spake2p.h"
#include "server/lot/extra_keys.h"

namespace assay::lot {
namespace {

constexpr uint32_t kDefaultIterations = 10000;
constexpr uint32_t kDefaultSaltLength = 32;
constexpr uint32_t kDefaultRotatingIdLength = 16;
constexpr uint32_t kDefaultImageSize = 0x6000;
// An answer carries a unit's images whole, and may be twice as large; beside this one they are a
// few pages.
constexpr uint32_t kMaxImageSize = 16 << 20;
constexpr uint32_t kDefaultDiscovery = matter::discovery::kBle;

absl::Status OutOfRange(absl::string_view field, uint64_t value, absl::string_view rule) {
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(value), rule);
}

bool IsTestVendor(uint32_t vendor_id) { return vendor_id >= 0xFFF1 && vendor_id <= 0xFFF4; }

absl::Status CheckIds(const v1::ProductSpec& spec, bool production) {
  if (spec.vendor_id() < 1 || spec.vendor_id() > 0xFFF4) {
    return OutOfRange("spec.vendor_id", spec.vendor_id(), "must be 0x0001 to 0xFFF4");
  }
  if (spec.product_id() < 1 || spec.product_id() > 0xFFFF) {
    return OutOfRange("spec.product_id", spec.product_id(), "must be 0x0001 to 0xFFFF");
  }
  if (production && IsTestVendor(spec.vendor_id())) {
    return RefuseField(Reason::TEST_CREDENTIAL, "spec.vendor_id",
                       absl::StrFormat("0x%04X", spec.vendor_id()),
                       "production refuses the test vendors 0xFFF1 to 0xFFF4");
  }
  return absl::OkStatus();
}

absl::Status CheckCommissioning(const v1::ProductSpec& spec) {
  if (const uint32_t n = spec.spake2p_iterations();
      n != 0 && (n < matter::kMinIterations || n > matter::kMaxIterations)) {
    return OutOfRange("spec.spake2p_iterations", n, "must be 1000 to 100000");
  }
  if (const uint32_t n = spec.spake2p_salt_length();
      n != 0 && (n < matter::kMinSaltSize || n > matter::kMaxSaltSize)) {
    return OutOfRange("spec.spake2p_salt_length", n, "must be 16 to 32 bytes");
  }
  if (spec.discovery() > matter::discovery::kAll) {
    return OutOfRange("spec.discovery", spec.discovery(), "must be a set of the bits 0 to 5");
  }
  if (!v1::CommissioningFlow_IsValid(spec.commissioning_flow())) {
    return OutOfRange("spec.commissioning_flow", static_cast<uint64_t>(spec.commissioning_flow()),
                      "must be standard (0), user intent (1) or custom (2)");
  }
  if (const uint32_t n = spec.rotating_id().length();
      n != 0 && (!spec.rotating_id().enabled() || n != kDefaultRotatingIdLength)) {
    return OutOfRange("spec.rotating_id.length", n,
                      "must be 16 bytes, with the rotating id enabled");
  }
  return absl::OkStatus();
}

absl::Status CheckDac(const v1::DacProfile& dac) {
  if (!v1::Attestation_IsValid(dac.attestation()) ||
      dac.attestation() == v1::ATTESTATION_UNSPECIFIED) {
    const bool given = dac.attestation() != v1::ATTESTATION_UNSPECIFIED;
    return RefuseField(given ? Reason::FIELD_OUT_OF_RANGE : Reason::FIELD_REQUIRED,
                       "spec.dac.attestation",
                       given ? absl::StrCat(static_cast<int>(dac.attestation())) : "",
                       "must say where the DAC comes from: none, server key, CSR or given");
  }
  if (!v1::DacProfile::Lifetime_IsValid(dac.lifetime())) {
    return OutOfRange("spec.dac.lifetime", static_cast<uint64_t>(dac.lifetime()),
                      "is not a known lifetime");
  }
  const bool days = dac.lifetime() == v1::DacProfile::LIFETIME_DAYS;
  if (days && (dac.lifetime_days() < 1 || dac.lifetime_days() > 365 * 200)) {
    return OutOfRange("spec.dac.lifetime_days", dac.lifetime_days(), "must be 1 to 73000 days");
  }
  if (!days && dac.lifetime_days() != 0) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "spec.dac.lifetime_days",
                       absl::StrCat(dac.lifetime_days()), "is given only with a lifetime in days");
  }
  return absl::OkStatus();
}

// Whom it is by and what it covers is looked at where signers and PAIs are known; but what is no
// declaration at all is not to be told as one that is too large for the image.
absl::Status CheckReadable(const std::string& declaration) {
  if (declaration.empty()) return absl::OkStatus();
  return Within("spec.certification_declaration",
                matter::ParseCdEnvelope(AsBytes(declaration)).status());
}

absl::Status CheckImageSize(const v1::ImageOptions& image) {
  if (image.no_factory_image()) return absl::OkStatus();
  if (image.size() % image::kNvsPageSize != 0) {
    return OutOfRange("spec.image.size", image.size(), "must be a multiple of 4096 bytes");
  }
  if (image.size() > kMaxImageSize) {
    return OutOfRange("spec.image.size", image.size(),
                      "must be at most 16777216 bytes (16 MiB): an answer carries the whole image");
  }
  return absl::OkStatus();
}

// What the image's part calls a field, as a path in the product record.
absl::Status InSpec(const absl::Status& status) {
  static constexpr std::pair<std::string_view, std::string_view> kPaths[] = {
      {"rotating_id", "rotating_id.length"},
      {"placement.attestation_in_secure_cert", "image.secure_cert.attestation"},
      {"placement", "image.secure_cert"},
      {"image.nvs", "image.no_factory_image"},
      {"image.protection", "image.encryption"},
      {"image.nvs_label", "image.partition_label"},
      {"image.efuse_key_id", "image.secure_cert.efuse_key_id"},
      {"chip-factory/locale", "locales"},
      {"chip-factory/fl-", "fixed_labels"},
      {"chip-factory/sm-", "supported_modes"},
      {"chip-factory/st-", "supported_modes"}};
  const auto refusal = RefusalOf(status);
  if (!refusal || refusal->field.empty() || absl::StartsWith(refusal->field, "spec.")) {
    return status;
  }
  std::string_view field = refusal->field;
  for (const auto& [name, path] : kPaths) {
    // A key of a list has places behind its name.
    const bool list = name.starts_with("chip-factory/");
    if (list ? field.starts_with(name) : field == name) {
      field = path;
      break;
    }
  }
  return RefuseField(refusal->reason, absl::StrCat("spec.", image::Text(field)), refusal->value,
                     refusal->rule);
}

// Of an extra key that takes a known one's place nothing is told but its name and the rule.
absl::Status InExtraKeys(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  if (!refusal || refusal->field.empty()) return status;
  return RefuseField(refusal->reason, "spec.extra_keys", "",
                     absl::StrCat(refusal->field, ": ", refusal->rule));
}

absl::StatusOr<image::SupportedMode> ModeOf(const v1::SupportedMode& mode,
                                            const std::string& field) {
  if (mode.endpoint() > 0xFFFF) {
    return OutOfRange(field + ".endpoint", mode.endpoint(), "must be 0 to 65535");
  }
  if (mode.mode() > 0xFF) return OutOfRange(field + ".mode", mode.mode(), "must be 0 to 255");
  image::SupportedMode made{
      static_cast<uint16_t>(mode.endpoint()), mode.label(), static_cast<uint8_t>(mode.mode()), {}};
  for (int i = 0; i < mode.tags_size(); ++i) {
    const v1::SemanticTag& tag = mode.tags(i);
    const std::string in = absl::StrCat(field, ".tags[", i, "]");
    if (tag.value() > 0xFFFF) return OutOfRange(in + ".value", tag.value(), "must be 0 to 65535");
    if (tag.manufacturer_code() > 0xFFFF) {
      return OutOfRange(in + ".manufacturer_code", tag.manufacturer_code(), "must be 0 to 65535");
    }
    made.tags.push_back(
        {static_cast<uint16_t>(tag.value()), static_cast<uint16_t>(tag.manufacturer_code())});
  }
  return made;
}

// A device that is as large as any of this product can be.
absl::StatusOr<image::FactoryContent> SampleDevice(const v1::ProductSpec& spec, Random& random) {
  auto content = CommonContent(spec);
  if (!content.ok()) return content.status();
  if (HoldsCommissioning(spec)) content->discriminator = 1;
  content->serial_number = std::string(32, '0');
  const matter::Spake2pParameters parameters{matter::kMinIterations,
                                             matter::DrawSalt(random, SaltLengthOf(spec))};
  content->salt = parameters.salt;
  if (!HoldsCommissioning(spec)) {
    content->salt.clear();
    content->iteration_count.reset();
  }
  if (HasPasscode(spec)) {
    auto verifier = matter::ComputeVerifier(matter::DrawPasscode(random), parameters);
    if (!verifier.ok()) return verifier.status();
    content->verifier = ToBytes(verifier->view());
  }
  if (HoldsRotatingId(spec)) content->rotating_id = random.Draw(RotatingIdLengthOf(spec));
  if (WantsDac(spec)) {
    content->dac = Bytes(matter::kMaxCertificateSize, 0x30);
    content->pai = Bytes(matter::kMaxCertificateSize, 0x30);
    content->dac_public_key = Bytes(65, 0x04);
    if (spec.dac().attestation() != v1::ATTESTATION_CSR) content->dac_key = SecretBytes(32);
  }
  return content;
}

absl::Status CheckSampleImage(const v1::ProductSpec& spec) {
  SystemRandom random;
  auto content = SampleDevice(spec, random);
  if (!content.ok()) return content.status();
  auto options = ImageOptionsOf(spec);
  if (!options.ok()) return options.status();
  const image::ImageFormat* format = image::FindImageFormat(options->format);
  if (format == nullptr) return Refuse(Reason::INTERNAL, "no such image format");
  ASSAY_RETURN_IF_ERROR(InSpec(image::CheckFactoryContent(*content)));
  ASSAY_RETURN_IF_ERROR(InSpec(format->Check(*content, *options)));
  ASSAY_RETURN_IF_ERROR(AddSampleEntries(spec, *content));
  ASSAY_RETURN_IF_ERROR(InExtraKeys(image::AbsorbKnownKeys(*content)));
  ASSAY_RETURN_IF_ERROR(InExtraKeys(image::CheckFactoryContent(*content)));
  if (!options->nvs) return absl::OkStatus();
  // The sample's certificates are fillers, so only the NVS part is built: it is the part that can
  // run out of room.
  const absl::Status built =
      image::BuildNvs(image::ToNvsEntries(*content), options->nvs_options).status();
  return HasReason(built, Reason::IMAGE_TOO_SMALL) ? InSpec(built) : InExtraKeys(built);
}

}  // namespace

DacIds DacIdsOf(const v1::ProductSpec& spec,
                const std::optional<matter::CertificationDeclaration>& cd) {
  if (cd && cd->dac_origin_vendor_id && cd->dac_origin_product_id) {
    return {*cd->dac_origin_vendor_id, *cd->dac_origin_product_id};
  }
  return {static_cast<uint16_t>(spec.vendor_id()), static_cast<uint16_t>(spec.product_id())};
}

bool WantsDac(const v1::ProductSpec& spec) {
  return spec.dac().attestation() != v1::ATTESTATION_NONE;
}

bool HoldsCommissioning(const v1::ProductSpec& spec) {
  return !spec.image().no_factory_image() || spec.image().secure_cert().commissioning();
}

bool HoldsRotatingId(const v1::ProductSpec& spec) {
  return spec.rotating_id().enabled() &&
         (!spec.image().no_factory_image() || spec.image().secure_cert().rotating_id());
}

bool HasPasscode(const v1::ProductSpec& spec) {
  return HoldsCommissioning(spec) && !spec.dynamic_passcode();
}

uint32_t IterationsOf(const v1::ProductSpec& spec) {
  return spec.spake2p_iterations() != 0 ? spec.spake2p_iterations() : kDefaultIterations;
}
size_t SaltLengthOf(const v1::ProductSpec& spec) {
  return spec.spake2p_salt_length() != 0 ? spec.spake2p_salt_length() : kDefaultSaltLength;
}
size_t RotatingIdLengthOf(const v1::ProductSpec& spec) {
  return spec.rotating_id().length() != 0 ? spec.rotating_id().length() : kDefaultRotatingIdLength;
}

v1::ProductSpec WithDefaults(v1::ProductSpec spec) {
  spec.set_spake2p_iterations(IterationsOf(spec));
  spec.set_spake2p_salt_length(static_cast<uint32_t>(SaltLengthOf(spec)));
  if (spec.rotating_id().enabled()) {
    spec.mutable_rotating_id()->set_length(static_cast<uint32_t>(RotatingIdLengthOf(spec)));
  }
  if (spec.discovery() == 0) spec.set_discovery(kDefaultDiscovery);
  if (spec.image().size() == 0) spec.mutable_image()->set_size(kDefaultImageSize);
  if (spec.image().partition_label().empty()) spec.mutable_image()->set_partition_label("nvs");
  return spec;
}

absl::StatusOr<image::FactoryContent> CommonContent(const v1::ProductSpec& spec) {
  image::FactoryContent content;
  content.vendor_id = static_cast<uint16_t>(spec.vendor_id());
  content.product_id = static_cast<uint16_t>(spec.product_id());
  content.iteration_count = IterationsOf(spec);
  content.vendor_name = spec.vendor_name();
  content.product_name = spec.product_name();
  if (spec.has_hardware_version()) {
    if (spec.hardware_version() > 0xFFFF) {
      return OutOfRange("spec.hardware_version", spec.hardware_version(), "must be 0 to 65535");
    }
    content.hardware_version = static_cast<uint16_t>(spec.hardware_version());
  }
  content.hardware_version_string = spec.hardware_version_string();
  content.manufacturing_date = spec.manufacturing_date();
  content.part_number = spec.part_number();
  content.product_label = spec.product_label();
  content.product_url = spec.product_url();
  content.certification_declaration = ToBytes(AsBytes(spec.certification_declaration()));
  if (!spec.product_finish().empty()) {
    content.finish = image::FinishOf(spec.product_finish());
    if (!content.finish) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "spec.product_finish", spec.product_finish(),
                         "must be other, matte, satin, polished, rugged or fabric");
    }
  }
  if (!spec.product_color().empty()) {
    content.color = image::ColorOf(spec.product_color());
    if (!content.color) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "spec.product_color", spec.product_color(),
                         "must be one of the specification's colours, black to gold");
    }
  }
  for (int i = 0; i < spec.calendar_types_size(); ++i) {
    const std::string& name = spec.calendar_types(i);
    const auto calendar = image::CalendarOf(name);
    if (!calendar) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, absl::StrCat("spec.calendar_types[", i, "]"),
                         name,
                         "must be one of the specification's calendars, Buddhist to Taiwanese");
    }
    content.calendar_types = content.calendar_types.value_or(0) | 1u << *calendar;
  }
  content.locales.assign(spec.locales().begin(), spec.locales().end());
  for (int i = 0; i < spec.fixed_labels_size(); ++i) {
    const v1::FixedLabel& label = spec.fixed_labels(i);
    if (label.endpoint() > 0xFFFF) {
      return OutOfRange(absl::StrCat("spec.fixed_labels[", i, "].endpoint"), label.endpoint(),
                        "must be 0 to 65535");
    }
    content.fixed_labels.push_back(
        {static_cast<uint16_t>(label.endpoint()), label.label(), label.value()});
  }
  for (int i = 0; i < spec.supported_modes_size(); ++i) {
    auto mode = ModeOf(spec.supported_modes(i), absl::StrCat("spec.supported_modes[", i, "]"));
    if (!mode.ok()) return mode.status();
    content.supported_modes.push_back(*std::move(mode));
  }
  const v1::SecureCert& secure_cert = spec.image().secure_cert();
  content.placement = {secure_cert.attestation(), secure_cert.commissioning(),
                       secure_cert.rotating_id()};
  return content;
}

absl::StatusOr<image::ImageOptions> ImageOptionsOf(const v1::ProductSpec& spec) {
  const v1::ImageOptions& wanted = spec.image();
  image::ImageOptions options;
  options.nvs = !wanted.no_factory_image();
  options.nvs_options.size = wanted.size() != 0 ? wanted.size() : kDefaultImageSize;
  switch (wanted.encryption()) {
    case v1::NVS_ENCRYPTION_NONE:
      options.protection = image::NvsProtection::kPlain;
      break;
    case v1::NVS_ENCRYPTION_FLASH:
      options.protection = image::NvsProtection::kKeyPartition;
      break;
    case v1::NVS_ENCRYPTION_HMAC:
      options.protection = image::NvsProtection::kHmac;
      break;
    default:
      return OutOfRange("spec.image.encryption", static_cast<uint64_t>(wanted.encryption()),
                        "must be none, flash or HMAC");
  }
  if (!wanted.partition_label().empty()) options.nvs_label = wanted.partition_label();
  options.secure_cert.tail = wanted.secure_cert().short_tail() ? image::SecureCertTail::kShort
                                                               : image::SecureCertTail::kPadded;
  options.secure_cert.integrity = wanted.secure_cert().integrity();
  if (wanted.secure_cert().ecdsa_peripheral()) {
    const int32_t id = wanted.secure_cert().efuse_key_id();
    if (id < 0 || id > 5) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "spec.image.secure_cert.efuse_key_id",
                         absl::StrCat(id), "must be 0 to 5");
    }
    options.efuse_key_id = static_cast<uint8_t>(id);
  }
  return options;
}

matter::SetupPayload CommonPayload(const v1::ProductSpec& spec) {
  matter::SetupPayload payload;
  payload.vendor_id = static_cast<uint16_t>(spec.vendor_id());
  payload.product_id = static_cast<uint16_t>(spec.product_id());
  payload.flow = static_cast<matter::CommissioningFlow>(spec.commissioning_flow());
  payload.discovery =
      static_cast<uint8_t>(spec.discovery() != 0 ? spec.discovery() : kDefaultDiscovery);
  return payload;
}

absl::Status CheckProductSpec(const v1::ProductSpec& spec, bool production) {
  ASSAY_RETURN_IF_ERROR(CheckIds(spec, production));
  ASSAY_RETURN_IF_ERROR(CheckCommissioning(spec));
  ASSAY_RETURN_IF_ERROR(CheckDac(spec.dac()));
  ASSAY_RETURN_IF_ERROR(CheckImageSize(spec.image()));
  ASSAY_RETURN_IF_ERROR(CheckReadable(spec.certification_declaration()));
  ASSAY_RETURN_IF_ERROR(CheckExtraKeys(spec));
  return CheckSampleImage(spec);
}

}  // namespace assay::lot
