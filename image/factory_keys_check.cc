#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/factory_keys.h"
#include "image/factory_known.h"
#include "image/text.h"
#include "matter/utf8.h"

namespace assay::image {
namespace {

constexpr size_t kMaxCertificate = 600;
constexpr size_t kPublicKeySize = 65;
constexpr size_t kVerifierSize = 97;
constexpr size_t kRotatingIdSize = 16;
constexpr uint32_t kAllCalendars = (1u << 12) - 1;

absl::Status CheckText(absl::string_view field, absl::string_view text, size_t limit) {
  if (text.size() > limit) {
    return RefuseField(Reason::FIELD_TOO_LONG, field, text,
                       absl::StrCat("at most ", limit, " bytes of UTF-8, this has ", text.size()));
  }
  if (!matter::IsUtf8({text.data(), text.size()}))
    return RefuseField(Reason::FIELD_MALFORMED, field, "", "not UTF-8");
  if (text.find('\0') != absl::string_view::npos) {
    return RefuseField(Reason::FIELD_MALFORMED, field, "", "holds a NUL");
  }
  return absl::OkStatus();
}

absl::Status CheckNeededText(absl::string_view field, absl::string_view text, size_t limit) {
  if (text.empty()) return RefuseField(Reason::FIELD_REQUIRED, field, "", "must not be empty");
  return CheckText(field, text, limit);
}

template <typename Integer>
absl::Status CheckRange(absl::string_view field, Integer value, Integer smallest, Integer largest) {
  if (value >= smallest && value <= largest) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(value),
                     absl::StrCat("must be ", smallest, " to ", largest));
}

absl::Status CheckExactSize(absl::string_view field, size_t size, size_t wanted) {
  if (size == 0 || size == wanted) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(size, " bytes"),
                     absl::StrCat("must be ", wanted, " bytes"));
}

absl::Status CheckDate(const std::string& date) {
  if (date.empty()) return absl::OkStatus();
  constexpr absl::string_view kField = "manufacturing_date";
  constexpr absl::string_view kForm = "YYYYMMDD or YYYY-MM-DD, then free text, 16 bytes in all";
  ASSAY_RETURN_IF_ERROR(CheckText(kField, date, 16));
  std::string digits = date;
  if (digits.size() >= 10 && digits[4] == '-' && digits[7] == '-') {
    digits.erase(7, 1);
    digits.erase(4, 1);
  }
  if (digits.size() < 8 || !std::all_of(digits.begin(), digits.begin() + 8, absl::ascii_isdigit)) {
    return RefuseField(Reason::FIELD_MALFORMED, kField, date, kForm);
  }
  const auto number = [&](size_t at, size_t count) {
    int value = 0;
    for (size_t i = at; i < at + count; ++i) value = value * 10 + (digits[i] - '0');
    return value;
  };
  const int year = number(0, 4), month = number(4, 2), day = number(6, 2);
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (month < 1 || month > 12 || day < 1 || day > kDays[month - 1] + (month == 2 && leap ? 1 : 0)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, kField, date, "no such day in the calendar");
  }
  return absl::OkStatus();
}

absl::Status CheckCommissioning(const FactoryContent& content) {
  if (content.discriminator) {
    ASSAY_RETURN_IF_ERROR(CheckRange<uint32_t>("discriminator", *content.discriminator, 0, 4095));
  }
  if (content.iteration_count) {
    ASSAY_RETURN_IF_ERROR(
        CheckRange<uint32_t>("iteration_count", *content.iteration_count, 1000, 100000));
  }
  if (!content.salt.empty() && (content.salt.size() < 16 || content.salt.size() > 32)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "salt",
                       absl::StrCat(content.salt.size(), " bytes"), "must be 16 to 32 bytes");
  }
  ASSAY_RETURN_IF_ERROR(CheckExactSize("verifier", content.verifier.size(), kVerifierSize));
  if (!content.verifier.empty() && content.verifier[32] != 0x04) {
    return RefuseField(Reason::FIELD_MALFORMED, "verifier", "",
                       "its second half is no uncompressed point");
  }
  if (content.salt.empty() == content.iteration_count.has_value()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "salt", "",
                       "salt and iteration_count come together");
  }
  if (!content.verifier.empty() && content.salt.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "verifier", "", "needs salt and iteration_count");
  }
  return absl::OkStatus();
}

absl::Status CheckProduct(const FactoryContent& content) {
  ASSAY_RETURN_IF_ERROR(CheckRange<uint32_t>("vendor_id", content.vendor_id, 1, 0xFFFF));
  ASSAY_RETURN_IF_ERROR(CheckRange<uint32_t>("product_id", content.product_id, 1, 0xFFFF));
  ASSAY_RETURN_IF_ERROR(CheckText("vendor_name", content.vendor_name, 32));
  ASSAY_RETURN_IF_ERROR(CheckText("product_name", content.product_name, 32));
  ASSAY_RETURN_IF_ERROR(CheckText("hardware_version_string", content.hardware_version_string, 64));
  ASSAY_RETURN_IF_ERROR(CheckDate(content.manufacturing_date));
  ASSAY_RETURN_IF_ERROR(CheckExactSize("rotating_id", content.rotating_id.size(), kRotatingIdSize));
  if (content.finish) ASSAY_RETURN_IF_ERROR(CheckRange<uint32_t>("finish", *content.finish, 0, 5));
  if (content.color) ASSAY_RETURN_IF_ERROR(CheckRange<uint32_t>("color", *content.color, 0, 20));
  ASSAY_RETURN_IF_ERROR(CheckText("part_number", content.part_number, 32));
  ASSAY_RETURN_IF_ERROR(CheckText("serial_number", content.serial_number, 32));
  ASSAY_RETURN_IF_ERROR(CheckText("product_label", content.product_label, 64));
  return CheckText("product_url", content.product_url, 256);
}

absl::Status CheckAttestation(const FactoryContent& content) {
  for (const auto& [field, certificate] :
       {std::pair{"dac", &content.dac}, std::pair{"pai", &content.pai}}) {
    if (certificate->size() > kMaxCertificate) {
      return RefuseField(Reason::FIELD_TOO_LONG, field, absl::StrCat(certificate->size(), " bytes"),
                         "at most 600 bytes of DER");
    }
  }
  ASSAY_RETURN_IF_ERROR(CheckExactSize("dac_key", content.dac_key.size(), 32));
  ASSAY_RETURN_IF_ERROR(
      CheckExactSize("dac_public_key", content.dac_public_key.size(), kPublicKeySize));
  if (!content.dac_public_key.empty() && content.dac_public_key[0] != 0x04) {
    return RefuseField(Reason::FIELD_MALFORMED, "dac_public_key", "",
                       "must be an uncompressed point");
  }
  if (content.dac.empty() != content.pai.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, content.dac.empty() ? "pai" : "dac", "",
                       "dac and pai come together");
  }
  if (!content.dac_key.empty() && (content.dac.empty() || content.dac_public_key.empty())) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "dac_key", "", "needs dac and dac_public_key");
  }
  return absl::OkStatus();
}

absl::Status CheckLocales(const FactoryContent& content) {
  if (content.locales.size() > 32) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "locales", absl::StrCat(content.locales.size()),
                       "at most 32 locales");
  }
  for (size_t i = 0; i < content.locales.size(); ++i) {
    const std::string field = absl::StrCat("locales[", i, "]");
    const std::string& locale = content.locales[i];
    ASSAY_RETURN_IF_ERROR(CheckNeededText(field, locale, 35));
    if (!std::all_of(locale.begin(), locale.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-'; })) {
      return RefuseField(Reason::FIELD_MALFORMED, field, locale,
                         "a language tag has letters, digits and '-' only");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLists(const FactoryContent& content) {
  if (content.calendar_types && (*content.calendar_types & ~kAllCalendars) != 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "calendar_types",
                       absl::StrCat(*content.calendar_types), "only bits 0 to 11 have a meaning");
  }
  ASSAY_RETURN_IF_ERROR(CheckLocales(content));
  for (size_t i = 0; i < content.fixed_labels.size(); ++i) {
    const FixedLabel& label = content.fixed_labels[i];
    ASSAY_RETURN_IF_ERROR(
        CheckNeededText(absl::StrCat("fixed_labels[", i, "].label"), label.label, 16));
    ASSAY_RETURN_IF_ERROR(CheckText(absl::StrCat("fixed_labels[", i, "].value"), label.value, 16));
  }
  std::set<std::pair<uint16_t, uint8_t>> modes;
  for (size_t i = 0; i < content.supported_modes.size(); ++i) {
    const SupportedMode& mode = content.supported_modes[i];
    const std::string field = absl::StrCat("supported_modes[", i, "]");
    ASSAY_RETURN_IF_ERROR(CheckNeededText(field + ".label", mode.label, 64));
    if (mode.tags.size() > 64) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, field + ".tags",
                         absl::StrCat(mode.tags.size()), "at most 64 semantic tags");
    }
    if (!modes.emplace(mode.endpoint, mode.mode).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, field + ".mode", absl::StrCat(int{mode.mode}),
                         "the endpoint has this mode already");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckExtra(const FactoryContent& content) {
  std::set<std::pair<absl::string_view, absl::string_view>> seen;
  for (const NvsEntry& entry : content.extra) {
    const std::string field = absl::StrCat("extra ", entry.name_space, "/", entry.key);
    if (!seen.emplace(entry.name_space, entry.key).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, field, "", "the key is given twice");
    }
    if (entry.name_space.empty() || entry.name_space.size() > kNvsMaxKey) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, "",
                         "a namespace name has 1 to 15 bytes");
    }
    if (entry.name_space != kFactoryNamespace) continue;
    const auto known = KnownKeyType(entry.key);
    if (known && *known != entry.value.index()) {
      return RefuseField(
          Reason::FIELD_MALFORMED, field, "",
          absl::StrCat("the device does not find this key as ", Text(NvsTypeName(entry.value))));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFactoryContent(const FactoryContent& content) {
  const Placement& placement = content.placement;
  const int placed = placement.attestation_in_secure_cert + placement.commissioning_in_secure_cert +
                     placement.rotating_id_in_secure_cert;
  if (placed != 0 && placed != 3 && !(placed == 1 && placement.attestation_in_secure_cert)) {
    return RefuseField(
        Reason::FIELDS_CONTRADICT, "placement", "",
        "commissioning values and the rotating id go to the secure-cert partition only together "
        "with each other and the attestation");
  }
  ASSAY_RETURN_IF_ERROR(CheckCommissioning(content));
  ASSAY_RETURN_IF_ERROR(CheckProduct(content));
  ASSAY_RETURN_IF_ERROR(CheckAttestation(content));
  ASSAY_RETURN_IF_ERROR(CheckLists(content));
  ASSAY_RETURN_IF_ERROR(CheckExtra(content));
  if (placement.attestation_in_secure_cert && content.dac.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "placement.attestation_in_secure_cert", "",
                       "there is no DAC to place");
  }
  for (const NvsEntry& entry : ToNvsEntries(content)) {
    if (entry.key.empty() || entry.key.size() > kNvsMaxKey) {
      return RefuseField(
          Reason::FIELD_TOO_LONG, absl::StrCat(entry.name_space, "/", entry.key), "",
          "an NVS key has 1 to 15 bytes; endpoints and list places make this one longer");
    }
  }
  return absl::OkStatus();
}

}  // namespace assay::image
