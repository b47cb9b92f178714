// Flags held against a lot's product record.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/refusal.h"
#include "client/mfg_tool/plan.h"
#include "client/show.h"

namespace assay::client {
namespace {

struct Claim {
  const char* flag;
  bool given;
  std::string mine;
  std::string theirs;
};

std::string Id(uint32_t id) { return absl::StrFormat("0x%04X", id); }
std::string YesNo(bool value) { return value ? "yes" : "no"; }
std::string Digest(const std::string& bytes) {
  return bytes.empty() ? "none" : absl::StrCat("SHA-256 ", ToHex(Sha256(AsBytes(bytes))));
}
template <typename Messages>
std::string Lines(const Messages& messages) {
  std::string out;
  for (const auto& message : messages) absl::StrAppend(&out, MessageJsonLine(message), " ");
  return out;
}

std::vector<Claim> TextClaims(const MfgToolOptions& o, const v1::ProductSpec& a,
                              const v1::ProductSpec& b) {
  return {
      {"--vendor-id", o.vendor_id.has_value(), Id(a.vendor_id()), Id(b.vendor_id())},
      {"--product-id", o.product_id.has_value(), Id(a.product_id()), Id(b.product_id())},
      {"--vendor-name", o.vendor_name.has_value(), a.vendor_name(), b.vendor_name()},
      {"--product-name", o.product_name.has_value(), a.product_name(), b.product_name()},
      {"--hw-ver", o.hw_ver.has_value(), absl::StrCat(a.hardware_version()),
       b.has_hardware_version() ? absl::StrCat(b.hardware_version()) : "none"},
      {"--hw-ver-str", o.hw_ver_str.has_value(), a.hardware_version_string(),
       b.hardware_version_string()},
      {"--mfg-date", o.mfg_date.has_value(), a.manufacturing_date(), b.manufacturing_date()},
      {"--part-number", o.part_number.has_value(), a.part_number(), b.part_number()},
      {"--product-label", o.product_label.has_value(), a.product_label(), b.product_label()},
      {"--product-url", o.product_url.has_value(), a.product_url(), b.product_url()},
      {"--product-finish", o.product_finish.has_value(), a.product_finish(), b.product_finish()},
      {"--product-color", o.product_color.has_value(), a.product_color(), b.product_color()},
      {"--calendar-types", !o.calendar_types.empty(), absl::StrJoin(a.calendar_types(), " "),
       absl::StrJoin(b.calendar_types(), " ")},
      {"--locales", !o.locales.empty(), absl::StrJoin(a.locales(), " "),
       absl::StrJoin(b.locales(), " ")},
      {"--fixed-labels", !o.fixed_labels.empty(), Lines(a.fixed_labels()), Lines(b.fixed_labels())},
      {"--supported-modes", !o.supported_modes.empty(), Lines(a.supported_modes()),
       Lines(b.supported_modes())},
      {"--cert-dclrn", o.cert_dclrn.has_value(), Digest(a.certification_declaration()),
       Digest(b.certification_declaration())},
  };
}

std::vector<Claim> ChoiceClaims(const MfgToolOptions& o, const v1::ProductSpec& a,
                                const v1::ProductSpec& b) {
  const v1::SecureCert& mine = a.image().secure_cert();
  const v1::SecureCert& theirs = b.image().secure_cert();
  const auto lifetime = [](const v1::DacProfile& dac) {
    return absl::StrCat(v1::DacProfile::Lifetime_Name(dac.lifetime()), " ", dac.lifetime_days());
  };
  return {
      {"--commissioning-flow", o.commissioning_flow.has_value(),
       absl::StrCat(static_cast<int>(a.commissioning_flow())),
       absl::StrCat(static_cast<int>(b.commissioning_flow()))},
      {"--discovery-mode", o.discovery_mode.has_value(), absl::StrCat(a.discovery()),
       absl::StrCat(b.discovery() == 0 ? 2 : b.discovery())},
      {"--iteration-count", o.iteration_count.has_value(), absl::StrCat(a.spake2p_iterations()),
       absl::StrCat(b.spake2p_iterations() == 0 ? 10000 : b.spake2p_iterations())},
      {"--enable-dynamic-passcode", o.enable_dynamic_passcode, "yes", YesNo(b.dynamic_passcode())},
      {"--enable-rotating-device-id", o.enable_rotating_device_id, "yes",
       YesNo(b.rotating_id().enabled())},
      {o.dac_cert ? "--dac-cert" : "--pai", o.pai,
       EnumWord(*v1::Attestation_descriptor()->FindValueByNumber(a.dac().attestation())),
       EnumWord(*v1::Attestation_descriptor()->FindValueByNumber(b.dac().attestation()))},
      {"--lifetime", o.lifetime.has_value(), lifetime(a.dac()), lifetime(b.dac())},
      {"--valid-from", o.valid_from.has_value(), absl::StrCat(a.dac().valid_from().seconds()),
       absl::StrCat(b.dac().valid_from().seconds())},
      {"--size", o.size.has_value(), absl::StrCat(a.image().size()),
       absl::StrCat(b.image().size() == 0 ? 0x6000 : b.image().size())},
      {"--encrypt", o.encrypt, absl::StrCat(static_cast<int>(a.image().encryption())),
       absl::StrCat(static_cast<int>(b.image().encryption()))},
      {"--dac-in-secure-cert", o.dac_in_secure_cert, "yes", YesNo(theirs.attestation())},
      {"--commissionable-data-in-secure-cert", o.commissionable_data_in_secure_cert, "yes",
       YesNo(theirs.commissioning())},
      {"--rd-id-uid-in-secure-cert", o.rd_id_uid_in_secure_cert, "yes",
       YesNo(theirs.rotating_id())},
      {"--ds-peripheral", o.ds_peripheral, "yes", YesNo(theirs.ecdsa_peripheral())},
      {"--efuse-key-id", o.efuse_key_id.has_value(), absl::StrCat(mine.efuse_key_id()),
       absl::StrCat(theirs.efuse_key_id())},
  };
}

absl::Status CheckExtraKeys(const v1::ProductSpec& mine, const v1::ProductSpec& theirs) {
  for (const v1::ExtraKey& key : mine.extra_keys()) {
    const bool known = std::any_of(
        theirs.extra_keys().begin(), theirs.extra_keys().end(), [&](const v1::ExtraKey& other) {
          const std::string name_space =
              other.namespace_().empty() ? "chip-factory" : other.namespace_();
          return other.key() == key.key() && name_space == key.namespace_() &&
                 other.type() == key.type() && other.encoding() == key.encoding();
        });
    if (known) continue;
    return RefuseField(Reason::FIELDS_CONTRADICT, "--csv",
                       absl::StrCat(key.namespace_(), "/", key.key()),
                       "is no extra key of the lot's product with this type and encoding");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAgainstLot(const MfgToolOptions& options, const MfgToolPlan& plan,
                             const v1::ProductSpec& lot_spec) {
  for (const auto& claims :
       {TextClaims(options, plan.spec, lot_spec), ChoiceClaims(options, plan.spec, lot_spec)}) {
    for (const Claim& claim : claims) {
      if (!claim.given || claim.mine == claim.theirs) continue;
      return RefuseField(
          Reason::FIELDS_CONTRADICT, claim.flag, claim.mine,
          absl::StrCat("the lot's product says ", claim.theirs.empty() ? "none" : claim.theirs));
    }
  }
  return CheckExtraKeys(plan.spec, lot_spec);
}

}  // namespace assay::client
