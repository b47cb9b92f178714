#include "server/issue/given_dac.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/certificate_format.h"
#include "server/issue/device_key.h"

namespace assay::issue {
namespace {

absl::Status Broken(Reason reason, absl::string_view field, absl::string_view rule) {
  return RefuseField(reason, field, "", rule);
}

absl::Status CheckIds(const matter::Certificate& dac, const matter::Certificate& pai,
                      const lot::DacIds& ids) {
  if (!pai.subject_ids().ok() || pai.subject_ids()->vid != ids.vendor_id ||
      (pai.subject_ids()->pid && pai.subject_ids()->pid != ids.product_id)) {
    return Broken(Reason::PAI_INVALID, "given_dac.pai",
                  "must name the product's vendor and, if any, product");
  }
  if (!dac.subject_ids().ok() || dac.subject_ids()->vid != ids.vendor_id ||
      dac.subject_ids()->pid != ids.product_id) {
    return Broken(Reason::DAC_INVALID, "given_dac.certificate",
                  "must name the product's vendor and product");
  }
  return absl::OkStatus();
}

absl::Status CheckGivenChain(const matter::Certificate& dac, const matter::Certificate& pai,
                             absl::Time now) {
  if (const auto findings = matter::CheckFormat(pai, matter::Role::kPai); !findings.empty()) {
    return Broken(Reason::PAI_INVALID, "given_dac.pai", findings.front().rule);
  }
  if (const auto findings = matter::CheckFormat(dac, matter::Role::kDac); !findings.empty()) {
    return Broken(Reason::DAC_INVALID, "given_dac.certificate", findings.front().rule);
  }
  const bool linked = std::ranges::equal(dac.issuer(), pai.subject()) &&
                      std::ranges::equal(dac.authority_key_id(), pai.subject_key_id()) &&
                      dac.IsSignedBy(pai);
  if (!linked)
    return Broken(Reason::DAC_INVALID, "given_dac.certificate", "must be issued by given_dac.pai");
  if (!matter::WasValidAtIssuance(dac, pai)) {
    return Broken(Reason::DAC_INVALID, "given_dac.certificate",
                  "must begin within the PAI's validity");
  }
  if (!dac.validity().Contains(now)) {
    return Broken(Reason::DAC_INVALID, "given_dac.certificate", "must be valid now");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TakeGivenDac(Work& work, const Clock& clock) {
  const v1::GivenDac& given = work.request.given_dac();
  const auto dac = matter::Certificate::Parse(AsBytes(given.certificate()));
  if (!dac.ok())
    return Broken(Reason::DAC_INVALID, "given_dac.certificate", dac.status().message());
  const auto pai = matter::Certificate::Parse(AsBytes(given.pai()));
  if (!pai.ok()) return Broken(Reason::PAI_INVALID, "given_dac.pai", pai.status().message());
  if (dac->der().size() > matter::kMaxCertificateSize ||
      pai->der().size() > matter::kMaxCertificateSize) {
    return Broken(Reason::DAC_INVALID, "given_dac", "certificates must be at most 600 bytes");
  }
  ASSAY_RETURN_IF_ERROR(CheckGivenChain(*dac, *pai, clock.Now()));
  ASSAY_RETURN_IF_ERROR(CheckIds(*dac, *pai, work.plan->dac_ids));
  work.public_key = ToBytes(dac->public_key());
  if (!given.private_key().empty()) {
    work.device_key = SecretBytes::CopyOf(AsBytes(given.private_key()));
    const auto point = PointOf(work.device_key);
    if (!point.ok()) return point.status();
    if (!std::ranges::equal(*point, work.public_key)) {
      return Broken(Reason::DAC_INVALID, "given_dac.private_key",
                    "must be the key of the certificate");
    }
  }
  work.dac = ToBytes(dac->der());
  work.pai = ToBytes(pai->der());
  ByteView serial = dac->serial();
  if (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  work.dac_serial = ToBytes(serial);
  work.dac_issuer = ToBytes(dac->authority_key_id());
  return absl::OkStatus();
}

}  // namespace assay::issue
