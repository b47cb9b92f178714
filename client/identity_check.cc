#include "client/identity_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/cms.h"
#include "matter/certificate.h"
#include "matter/onboarding.h"

namespace assay::client {
namespace {

absl::Status Wrong(absl::string_view what, absl::string_view rule) {
  return RefuseField(Reason::VERIFY_FAILED, what, "", rule);
}

// A unit without the partition its DAC belongs in looks finished and is not.
absl::Status CheckSecureCertIsThere(const v1::Identity& identity, const v1::ProductSpec& spec) {
  if (!spec.image().secure_cert().attestation()) return absl::OkStatus();
  const bool there =
      std::any_of(identity.images().begin(), identity.images().end(),
                  [](const v1::ImageFile& image) { return image.name() == "esp_secure_cert"; });
  if (there) return absl::OkStatus();
  return Wrong("images.esp_secure_cert", "is missing, and the product puts the DAC there");
}

absl::Status CheckImages(const v1::Identity& identity) {
  for (const v1::ImageFile& image : identity.images()) {
    const std::string where = absl::StrCat("images.", image.name());
    if (image.withheld()) continue;
    if (AsText(Sha256(AsBytes(image.content()))) != image.sha256()) {
      return Wrong(where, "does not have its SHA-256");
    }
    if (image.signature().empty()) continue;
    const absl::Status verified =
        image::VerifyDetachedCms(AsBytes(image.signature()), AsBytes(image.content()),
                                 AsBytes(identity.image_certificate()));
    if (!verified.ok()) return Within(where, verified);
  }
  return absl::OkStatus();
}

absl::Status CheckCertificates(const v1::Identity& identity) {
  if (identity.dac().empty()) return absl::OkStatus();
  const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
  if (!dac.ok()) return Within("dac", dac.status());
  const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
  if (!pai.ok()) return Within("pai", pai.status());
  if (!dac->IsSignedBy(*pai)) return Wrong("dac", "is not signed by the PAI that came with it");
  return absl::OkStatus();
}

absl::Status CheckCodes(const v1::OnboardingCodes& codes, const v1::ProductSpec& spec) {
  if (codes.qr_code().empty()) return absl::OkStatus();  // dynamic passcode, or not for this role
  matter::SetupPayload payload;
  payload.vendor_id = static_cast<uint16_t>(spec.vendor_id());
  payload.product_id = static_cast<uint16_t>(spec.product_id());
  payload.flow = static_cast<matter::CommissioningFlow>(spec.commissioning_flow());
  payload.discovery =
      spec.discovery() == 0 ? matter::discovery::kBle : static_cast<uint8_t>(spec.discovery());
  payload.discriminator = static_cast<uint16_t>(codes.discriminator());
  payload.passcode = codes.passcode();
  return matter::CheckCodes(payload, codes.qr_code(), codes.manual_code());
}

}  // namespace

absl::Status CheckIdentity(const v1::Identity& identity, const v1::ProductSpec& spec) {
  ASSAY_RETURN_IF_ERROR(CheckImages(identity));
  ASSAY_RETURN_IF_ERROR(CheckSecureCertIsThere(identity, spec));
  ASSAY_RETURN_IF_ERROR(CheckCertificates(identity));
  return CheckCodes(identity.codes(), spec);
}

}  // namespace assay::client
