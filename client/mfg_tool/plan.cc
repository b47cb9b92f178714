#include "client/mfg_tool/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "client/certificate_file.h"
#include "client/files.h"
#include "client/mfg_tool/csv_plan.h"
#include "client/mfg_tool/dac_key.h"
#include "client/mfg_tool/flag_check.h"
#include "client/mfg_tool/given_list.h"
#include "client/numbers.h"
#include "client/spec_texts.h"
#include "image/factory_keys.h"
#include "matter/certificate.h"
#include "matter/passcode.h"
#include "matter/spake2p.h"

namespace assay::client {
namespace {

absl::Status Contradicts(absl::string_view flag, absl::string_view rule) {
  return RefuseField(Reason::FIELDS_CONTRADICT, flag, "", rule);
}
absl::Status OutOfRange(absl::string_view flag, uint64_t value, absl::string_view rule) {
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, flag, absl::StrCat(value), rule);
}

absl::Status FillDac(const MfgToolOptions& options, v1::DacProfile& dac) {
  dac.set_attestation(options.dac_cert             ? v1::ATTESTATION_GIVEN
                      : options.pai || options.paa ? v1::ATTESTATION_SERVER_KEY
                                                   : v1::ATTESTATION_NONE);
  const std::string lifetime = options.lifetime.value_or("never");
  if (lifetime == "never") {
    dac.set_lifetime(v1::DacProfile::LIFETIME_NEVER_EXPIRES);
  } else if (lifetime == "pai") {
    dac.set_lifetime(v1::DacProfile::LIFETIME_UNTIL_PAI_ENDS);
  } else {
    const auto days = ParseUnsigned(lifetime);
    if (!days || *days < 1 || *days > 73000) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--lifetime", lifetime,
                         "must be 1 to 73000 days, 'pai' (until the PAI ends) or 'never'");
    }
    dac.set_lifetime(v1::DacProfile::LIFETIME_DAYS);
    dac.set_lifetime_days(static_cast<uint32_t>(*days));
  }
  if (options.valid_from) {
    const auto time = ParseDate(*options.valid_from);
    if (!time) {
      return RefuseField(
          Reason::FIELD_MALFORMED, "--valid-from", *options.valid_from,
          "must be YYYY-MM-DD, 'YYYY-MM-DD HH:MM:SS' or YYYY-MM-DDTHH:MM:SS, in UTC");
    }
    dac.mutable_valid_from()->set_seconds(absl::ToUnixSeconds(*time));
  }
  return absl::OkStatus();
}

absl::Status FillLists(const MfgToolOptions& options, v1::ProductSpec& spec) {
  for (const std::string& name : options.calendar_types) {
    if (!image::CalendarOf(name)) {
      return RefuseField(
          Reason::FIELD_OUT_OF_RANGE, "--calendar-types", name,
          "must be Buddhist, Chinese, Coptic, Ethiopian, Gregorian, Hebrew, Indian, Islamic, "
          "Japanese, Korean, Persian or Taiwanese");
    }
    spec.add_calendar_types(name);
  }
  for (const std::string& locale : options.locales) spec.add_locales(locale);
  for (const std::string& text : options.fixed_labels) {
    const absl::Status read = ReadFixedLabel(text, *spec.add_fixed_labels());
    if (!read.ok()) return Within("--fixed-labels", read);
  }
  for (const std::string& text : options.supported_modes) {
    const absl::Status read = ReadSupportedMode(text, *spec.add_supported_modes());
    if (!read.ok()) return Within("--supported-modes", read);
  }
  if (options.product_finish && !image::FinishOf(*options.product_finish)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--product-finish", *options.product_finish,
                       "must be other, matte, satin, polished, rugged or fabric");
  }
  if (options.product_color && !image::ColorOf(*options.product_color)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--product-color", *options.product_color,
                       "must be one of the specification's colours, black to gold");
  }
  spec.set_product_finish(options.product_finish.value_or(""));
  spec.set_product_color(options.product_color.value_or(""));
  return absl::OkStatus();
}

absl::Status FillTexts(const MfgToolOptions& options, v1::ProductSpec& spec) {
  const auto fill = [](const char* flag, const std::optional<std::string>& text, size_t longest,
                       std::string* out) -> absl::Status {
    if (!text) return absl::OkStatus();
    if (text->empty()) return RefuseField(Reason::FIELD_REQUIRED, flag, "", "is empty");
    if (text->size() > longest) {
      return RefuseField(Reason::FIELD_TOO_LONG, flag, *text,
                         absl::StrCat("must be at most ", longest, " bytes, has ", text->size()));
    }
    *out = *text;
    return absl::OkStatus();
  };
  ASSAY_RETURN_IF_ERROR(fill("--vendor-name", options.vendor_name, 32, spec.mutable_vendor_name()));
  ASSAY_RETURN_IF_ERROR(
      fill("--product-name", options.product_name, 32, spec.mutable_product_name()));
  ASSAY_RETURN_IF_ERROR(
      fill("--hw-ver-str", options.hw_ver_str, 64, spec.mutable_hardware_version_string()));
  ASSAY_RETURN_IF_ERROR(
      fill("--mfg-date", options.mfg_date, 16, spec.mutable_manufacturing_date()));
  ASSAY_RETURN_IF_ERROR(fill("--part-number", options.part_number, 32, spec.mutable_part_number()));
  ASSAY_RETURN_IF_ERROR(
      fill("--product-label", options.product_label, 64, spec.mutable_product_label()));
  return fill("--product-url", options.product_url, 256, spec.mutable_product_url());
}

absl::Status FillNumbers(const MfgToolOptions& options, v1::ProductSpec& spec) {
  const uint64_t flow = options.commissioning_flow.value_or(0);
  if (flow > 2) return OutOfRange("--commissioning-flow", flow, "must be 0, 1 or 2");
  const uint64_t discovery = options.discovery_mode.value_or(2);
  if (discovery != 2 && discovery != 4 && discovery != 6) {
    return OutOfRange("--discovery-mode", discovery, "must be 2 (BLE), 4 (on-network) or 6 (both)");
  }
  const uint64_t iterations = options.iteration_count.value_or(10000);
  if (iterations < matter::kMinIterations || iterations > matter::kMaxIterations) {
    return OutOfRange("--iteration-count", iterations, "must be 1000 to 100000");
  }
  if (options.hw_ver && *options.hw_ver > 0xFFFF) {
    return OutOfRange("--hw-ver", *options.hw_ver, "must be 0 to 65535");
  }
  const uint64_t size = options.size.value_or(0x6000);
  if (size < 0x1000 || size % 0x1000 != 0 || size > UINT32_MAX) {
    return OutOfRange("--size", size, "must be a multiple of 0x1000");
  }
  spec.set_commissioning_flow(static_cast<v1::CommissioningFlow>(flow));
  spec.set_discovery(static_cast<uint32_t>(discovery));
  spec.set_spake2p_iterations(static_cast<uint32_t>(iterations));
  if (options.hw_ver) spec.set_hardware_version(static_cast<uint32_t>(*options.hw_ver));
  spec.mutable_image()->set_size(static_cast<uint32_t>(size));
  return absl::OkStatus();
}

absl::Status FillIds(const MfgToolOptions& options, v1::ProductSpec& spec) {
  // With a lot the ids are the record's, and only compared where given.
  const bool required = options.lot.empty();
  const auto fill = [&](const char* flag, const std::optional<uint64_t>& id, uint64_t most,
                        uint32_t& out) -> absl::Status {
    if (!id && required) return RefuseField(Reason::FIELD_REQUIRED, flag, "", "is required");
    if (!id) return absl::OkStatus();
    if (*id < 1 || *id > most) {
      return OutOfRange(flag, *id, absl::StrFormat("must be 0x0001 to 0x%04X", most));
    }
    out = static_cast<uint32_t>(*id);
    return absl::OkStatus();
  };
  uint32_t vendor_id = 0, product_id = 0;
  ASSAY_RETURN_IF_ERROR(fill("--vendor-id", options.vendor_id, 0xFFF4, vendor_id));
  ASSAY_RETURN_IF_ERROR(fill("--product-id", options.product_id, 0xFFFF, product_id));
  spec.set_vendor_id(vendor_id);
  spec.set_product_id(product_id);
  return absl::OkStatus();
}

void FillSecureCert(const MfgToolOptions& options, v1::ImageOptions& image) {
  if (options.encrypt) image.set_encryption(v1::NVS_ENCRYPTION_FLASH);
  v1::SecureCert& secure_cert = *image.mutable_secure_cert();
  secure_cert.set_attestation(options.dac_in_secure_cert);
  secure_cert.set_commissioning(options.commissionable_data_in_secure_cert);
  secure_cert.set_rotating_id(options.rd_id_uid_in_secure_cert);
  secure_cert.set_ecdsa_peripheral(options.ds_peripheral);
  secure_cert.set_efuse_key_id(options.ds_peripheral ? static_cast<int32_t>(*options.efuse_key_id)
                                                     : -1);
}

absl::StatusOr<std::string> DecodeBase64(const char* flag, const std::string& text) {
  const auto bytes = FromBase64(text);
  if (!bytes.ok()) return RefuseField(Reason::FIELD_MALFORMED, flag, "", "must be base64");
  return ToText(*bytes);
}

absl::Status FillFlagValues(const MfgToolOptions& options, v1::DeviceValues& values) {
  if (options.passcode) {
    const auto passcode = static_cast<uint32_t>(std::min<uint64_t>(*options.passcode, UINT32_MAX));
    ASSAY_RETURN_IF_ERROR(matter::CheckPasscode(passcode, "--passcode"));
    values.set_passcode(static_cast<uint32_t>(*options.passcode));
  }
  if (options.discriminator) {
    if (*options.discriminator > matter::kMaxDiscriminator) {
      return OutOfRange("--discriminator", *options.discriminator, "must be 0 to 4095");
    }
    values.set_discriminator(static_cast<uint32_t>(*options.discriminator));
  }
  if (options.serial_num) {
    if (options.serial_num->empty() || options.serial_num->size() > 32) {
      return RefuseField(Reason::FIELD_TOO_LONG, "--serial-num", *options.serial_num,
                         "must be 1 to 32 bytes");
    }
    values.set_serial_number(*options.serial_num);
  }
  if (options.rd_id_uid) {
    const auto bytes = FromHex(*options.rd_id_uid);
    if (!bytes.ok() || bytes->size() != 16) {
      return RefuseField(Reason::FIELD_MALFORMED, "--rd-id-uid", *options.rd_id_uid,
                         "must be 32 hex digits");
    }
    values.set_rotating_id(ToText(*bytes));
  }
  if (options.salt) {
    auto salt = DecodeBase64("--salt", *options.salt);
    if (!salt.ok()) return salt.status();
    if (salt->size() < matter::kMinSaltSize || salt->size() > matter::kMaxSaltSize) {
      return OutOfRange("--salt", salt->size(), "must be 16 to 32 bytes");
    }
    values.set_salt(*std::move(salt));
  }
  if (options.verifier) {
    auto verifier = DecodeBase64("--verifier", *options.verifier);
    if (!verifier.ok()) return verifier.status();
    ASSAY_RETURN_IF_ERROR(matter::CheckVerifierForm(AsBytes(*verifier), "--verifier"));
    values.set_verifier(*std::move(verifier));
  }
  return absl::OkStatus();
}

// A certificate in DER or PEM, as DER.
absl::StatusOr<std::string> ReadCertificate(const char* flag, const std::string& path) {
  const auto certificate = ReadCertificateFile(flag, path);
  if (!certificate.ok()) return certificate.status();
  return ToText(certificate->der());
}

absl::Status FillDevices(const MfgToolOptions& options, MfgToolPlan& plan) {
  if (options.count && *options.count == 0) return OutOfRange("--count", 0, "must be at least 1");
  if (options.count && *options.count > 1000000) {
    return OutOfRange("--count", *options.count, "must be at most 1000000 in one run");
  }
  if (options.csv) {
    auto csv = PlanFromCsv(*options.csv, *options.mcsv);
    if (!csv.ok()) return csv.status();
    if (options.count && *options.count != csv->devices.size() && *options.count != 1) {
      return Contradicts("--count", absl::StrCat("is ", *options.count, ", but --mcsv has ",
                                                 csv->devices.size(), " rows"));
    }
    ASSAY_RETURN_IF_ERROR(CheckSingle(options, csv->devices.size()));
    for (v1::ExtraKey& key : csv->extra_keys) *plan.spec.add_extra_keys() = std::move(key);
    if (csv->has_rotating_id) plan.spec.mutable_rotating_id()->set_enabled(true);
    plan.devices = std::move(csv->devices);
    v1::DeviceValues flags;
    ASSAY_RETURN_IF_ERROR(FillFlagValues(options, flags));
    // A csv's value wins over a flag's, as in mfg_tool.
    if (plan.devices.size() == 1) {
      flags.MergeFrom(plan.devices[0]);
      plan.devices[0] = flags;
    }
    return absl::OkStatus();
  }
  const uint64_t count = options.count.value_or(1);
  ASSAY_RETURN_IF_ERROR(CheckSingle(options, count));
  plan.devices.resize(count);
  return FillFlagValues(options, plan.devices[0]);
}

absl::Status ReadFiles(const MfgToolOptions& options, MfgToolPlan& plan) {
  if (options.cert_dclrn) {
    const auto declaration = ReadFile(*options.cert_dclrn);
    if (!declaration.ok()) return Within("--cert-dclrn", declaration.status());
    plan.spec.set_certification_declaration(ToText(*declaration));
    plan.declaration_path = *options.cert_dclrn;
  }
  if (options.cert && !options.dac_cert) {
    auto certificate = ReadCertificate("--cert", *options.cert);
    if (!certificate.ok()) return certificate.status();
    plan.pai_certificate = *std::move(certificate);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MfgToolPlan> PlanMfgTool(const MfgToolOptions& options) {
  ASSAY_RETURN_IF_ERROR(CheckFlags(options));
  MfgToolPlan plan;
  ASSAY_RETURN_IF_ERROR(FillIds(options, plan.spec));
  ASSAY_RETURN_IF_ERROR(FillTexts(options, plan.spec));
  ASSAY_RETURN_IF_ERROR(FillNumbers(options, plan.spec));
  ASSAY_RETURN_IF_ERROR(FillLists(options, plan.spec));
  ASSAY_RETURN_IF_ERROR(FillDac(options, *plan.spec.mutable_dac()));
  FillSecureCert(options, *plan.spec.mutable_image());
  plan.spec.set_dynamic_passcode(options.enable_dynamic_passcode);
  if (options.enable_rotating_device_id) plan.spec.mutable_rotating_id()->set_enabled(true);
  plan.spec.set_values_from_line(true);
  ASSAY_RETURN_IF_ERROR(ReadFiles(options, plan));
  ASSAY_RETURN_IF_ERROR(FillDevices(options, plan));
  plan.make_pai = options.paa;
  if (options.paa) {
    plan.pai_common_name = absl::StrCat(options.cn_prefix.value_or("ESP32"), " PAI 00");
  }
  plan.outdir = options.outdir.value_or("out");
  plan.write_nvs = !options.no_bin;
  plan.write_secure_cert = !options.no_secure_cert_bin;
  return plan;
}

absl::Status TakeGivenDacs(const MfgToolOptions& options, const v1::ProductSpec& spec,
                           absl::Time now, MfgToolPlan& plan) {
  if (!options.dac_cert) return absl::OkStatus();
  auto units = ReadGiven(*options.dac_cert, options.cert.value_or(""), RulesFor(spec, now));
  if (!units.ok()) return Within("--dac-cert", units.status());
  const bool counted = options.csv || options.count.value_or(1) != 1;
  if (counted && plan.devices.size() != units->size()) {
    return Contradicts(options.csv ? "--mcsv" : "--count",
                       absl::StrCat("asks for ", plan.devices.size(),
                                    " devices, but --dac-cert has ", units->size(), " DACs"));
  }
  ASSAY_RETURN_IF_ERROR(CheckSingle(options, units->size()));
  plan.devices.resize(units->size());
  for (size_t i = 0; i < units->size(); ++i) {
    GivenUnit& unit = (*units)[i];
    if (!unit.serial_number.empty() && plan.devices[i].serial_number().empty()) {
      plan.devices[i].set_serial_number(unit.serial_number);
    }
    plan.given_dacs.push_back(std::move(unit.dac));
  }
  if (!options.dac_key) return absl::OkStatus();
  const auto bytes = ReadFile(*options.dac_key);
  if (!bytes.ok()) return Within("--dac-key", bytes.status());
  const SecretBytes file = SecretBytes::CopyOf(*bytes);
  const auto key = ParseDacKey(file.view(), *options.dac_key);
  if (!key.ok()) return Within("--dac-key", key.status());
  v1::GivenDac& dac = plan.given_dacs.front();
  const auto certificate = matter::Certificate::Parse(AsBytes(dac.certificate()));
  if (!certificate.ok()) return Within("--dac-cert", certificate.status());
  if (!std::ranges::equal(certificate->public_key(), key->point)) {
    return RefuseField(Reason::DAC_INVALID, "--dac-key", *options.dac_key,
                       absl::StrCat("is not the key of ", *options.dac_cert));
  }
  dac.set_private_key(ToText(key->scalar.view()));
  return absl::OkStatus();
}

}  // namespace assay::client
