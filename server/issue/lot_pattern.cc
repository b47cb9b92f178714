#include "server/issue/lot_pattern.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/dac_template.h"
#include "matter/tbs.h"
#include "server/lot/act.h"

namespace assay::issue {
namespace {

constexpr uint8_t kFiller = 0x11;
// A key that is everybody's: the scalar 1 and its point, the generator of P-256 (SEC 2, 2.4.2).
constexpr char kGenerator[] =
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
// More than the tables of a frame's making can find things in; most lots have 5 KB.
constexpr size_t kMostPattern = size_t{64} << 10;

// Where an image wants fillers, or keys nobody reads: no chance, but never the same again, for
// whoever draws until he likes it.
class Fillers final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 1;
};

hsm::RawSignature Signature() {
  hsm::RawSignature signature;
  signature.fill(kFiller);
  return signature;
}

Bytes PublicPoint() { return *FromHex(kGenerator); }

SecretBytes PublicScalar() {
  SecretBytes scalar(32);
  scalar.data()[31] = 1;
  return scalar;
}

absl::Status FillDac(Work& work, Bytes point) {
  const lot::LotPlan& plan = *work.plan;
  if (!plan.pai || !plan.dac) return absl::OkStatus();
  work.public_key = std::move(point);
  if (plan.spec.dac().attestation() == v1::ATTESTATION_SERVER_KEY) work.device_key = PublicScalar();
  const matter::Certificate& pai = plan.pai->certificate;
  auto tbs =
      plan.dac->Fill({work.dac_serial, work.device_id, pai.validity().not_before, work.public_key});
  if (!tbs.ok()) return tbs.status();
  work.dac = matter::AssembleCertificate(*tbs, Signature());
  work.pai = ToBytes(pai.der());
  return absl::OkStatus();
}

absl::Status FillUnit(Work& work) {
  const v1::ProductSpec& spec = work.plan->spec;
  const Bytes point = PublicPoint();
  work.device_id = "00000000-0000-7000-8000-000000000000";
  work.serial_number = std::string(32, '0');
  work.dac_serial = Bytes(20, kFiller);
  if (lot::HoldsCommissioning(spec)) {
    work.discriminator = 1;
    work.salt = Bytes(lot::SaltLengthOf(spec), kFiller);
  }
  if (lot::HasPasscode(spec)) {
    work.passcode = 1;
    Bytes verifier(32, kFiller);  // w0, and L, which must be a point
    Append(verifier, point);
    work.verifier = SecretBytes(std::move(verifier));
  }
  if (lot::HoldsRotatingId(spec)) work.rotating_id = Bytes(lot::RotatingIdLengthOf(spec), kFiller);
  return FillDac(work, point);
}

// The signatures' form: the certificate in them is a delegate's own where delegates sign.
absl::StatusOr<image::DetachedCmsTemplate> CmsOf(const ImageKey& image_key, bool delegated) {
  const ByteView signer = image_key.cms.certificate();
  if (!delegated) return image_key.cms;
  const Bytes point = PublicPoint(), serial(20, kFiller);
  const auto tbs =
      image::EncodeImageDelegateTbs(signer, {.public_key = point,
                                             .serial_number = serial,
                                             .not_before = absl::UnixEpoch(),
                                             .not_after = absl::UnixEpoch() + absl::Hours(24)});
  if (!tbs.ok()) return tbs.status();
  const auto der = image::AssembleImageSignerCertificate(*tbs, Signature());
  if (!der.ok()) return der.status();
  return image::DetachedCmsTemplate::Make(*der);
}

absl::Status FillImages(Work& work, const ImageKey& image_key, bool delegated) {
  Fillers fillers;
  ASSAY_RETURN_IF_ERROR(ProveImages(work, fillers));
  const auto cms = CmsOf(image_key, delegated);
  if (!cms.ok()) return cms.status();
  work.image_signatures.assign(work.images.size(), Signature());
  ASSAY_RETURN_IF_ERROR(WrapSignatures(work, *cms));
  if (work.plan->image_options.protection != image::NvsProtection::kPlain) {
    // Nothing of an encrypted image is like another's.
    for (v1::ImageFile& file : *work.sealed.mutable_identity()->mutable_images()) {
      if (file.name() != "esp_secure_cert") file.clear_content();
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bytes> LotPattern(std::shared_ptr<const lot::LotPlan> plan,
                                 const ImageKey& image_key, bool delegated) {
  Work work;
  work.plan = std::move(plan);
  ASSAY_RETURN_IF_ERROR(FillUnit(work));
  // Not worth a refusal: what remains is still most of an identity.
  if (!FillImages(work, image_key, delegated).ok()) work.sealed.Clear();
  v1::Identity& identity = *work.sealed.mutable_identity();
  identity.set_image_certificate(ToText(image_key.cms.certificate()));
  if (work.passcode != 0) {
    work.qr_code = "MT:" + std::string(19, '0');
    work.manual_code = std::string(11, '0');
  }
  FillIdentity(work, work.plan->lot.opened_at, identity);
  Bytes pattern = ToBytes(AsBytes(lot::Deterministic(work.sealed)));
  if (pattern.size() > kMostPattern) pattern.resize(kMostPattern);
  return pattern;
}

}  // namespace assay::issue
