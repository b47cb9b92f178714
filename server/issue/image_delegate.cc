#include "server/issue/image_delegate.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/dac_template.h"
#include "server/issue/device_key.h"

namespace assay::issue {
namespace {

// Clocks of those who check at once may be a little behind.
constexpr absl::Duration kSkew = absl::Minutes(5);
constexpr absl::Duration kLife = absl::Hours(24);
// A delegate is not used in its last minutes, so that what it signs can be checked by the clock.
constexpr absl::Duration kMargin = absl::Minutes(10);
constexpr absl::Duration kRetry = absl::Minutes(1);

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

// OpenSSL's own key object: it blinds, and clears itself when it is freed.
class ImageDelegate::Key {
 public:
  explicit Key(const DeviceKey& made) : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)) {
    BIGNUM* scalar = BN_secure_new();
    usable_ = key_ != nullptr && scalar != nullptr &&
              BN_bin2bn(made.scalar.data(), 32, scalar) != nullptr &&
              EC_KEY_set_private_key(key_, scalar) == 1 &&
              EC_KEY_oct2key(key_, made.point.data(), made.point.size(), nullptr) == 1;
    BN_clear_free(scalar);
  }
  ~Key() { EC_KEY_free(key_); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  absl::StatusOr<hsm::RawSignature> Sign(const Sha256Digest& digest) const {
    ECDSA_SIG* signature =
        usable_ ? ECDSA_do_sign(digest.data(), static_cast<int>(digest.size()), key_) : nullptr;
    hsm::RawSignature raw{};
    const bool made = signature != nullptr &&
                      BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw.data(), 32) == 32 &&
                      BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw.data() + 32, 32) == 32;
    ECDSA_SIG_free(signature);
    if (!made) return Refuse(Reason::INTERNAL, "the image delegate could not sign");
    return raw;
  }

 private:
  EC_KEY* key_;
  bool usable_ = false;
};

ImageDelegate::ImageDelegate(std::unique_ptr<Key> key, matter::SignatureVerifier verifier,
                             image::DetachedCmsTemplate cms, absl::Time not_after)
    : key_(std::move(key)),
      verifier_(std::move(verifier)),
      cms_(std::move(cms)),
      not_after_(not_after) {}

ImageDelegate::~ImageDelegate() = default;

absl::StatusOr<hsm::RawSignature> ImageDelegate::Sign(const Sha256Digest& digest) const {
  return key_->Sign(digest);
}

struct ImageDelegation::Draft {
  DeviceKey key;
  Bytes tbs;
  absl::Time not_after;
};

ImageDelegation::ImageDelegation(std::shared_ptr<hsm::Signer> signers, std::string label,
                                 Bytes certificate, Random& random, const Clock& clock)
    : signers_(std::move(signers)),
      label_(std::move(label)),
      certificate_(std::move(certificate)),
      random_(random),
      clock_(clock) {}

ImageDelegation::~ImageDelegation() {
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [this] { return !asking_; });
}

void ImageDelegation::With(Deadline deadline, Use use) {
  const absl::Time now = clock_.Now();
  std::shared_ptr<const ImageDelegate> present;
  bool ask = false;
  {
    const std::lock_guard lock(mutex_);
    if (present_ != nullptr && now < present_->not_after() - kMargin) present = present_;
    ask = !asking_ && (present == nullptr || now >= renew_at_);
    asking_ = asking_ || ask;
    if (present == nullptr) waiting_.push_back(std::move(use));
  }
  if (present != nullptr) use(std::move(present));
  if (ask) Certify(deadline);
}

void ImageDelegation::Certify(Deadline deadline) {
  auto draft = MakeDraft(clock_.Now());
  if (!draft.ok()) return Settle(draft.status());
  const Sha256Digest digest = Sha256((*draft)->tbs);
  LogInfo("image_delegate_asked", {{"key", label_},
                                   {"tbs_sha256", ToHex(digest)},
                                   {"public_key_sha256", ToHex(Sha256((*draft)->key.point))},
                                   {"not_after", TimeText((*draft)->not_after)}});
  signers_->Sign(label_, digest, deadline,
                 [this, draft = *std::move(draft)](absl::StatusOr<hsm::RawSignature> signature) {
                   if (!signature.ok()) return Settle(signature.status());
                   Settle(Finish(*draft, *signature));
                 });
}

absl::StatusOr<std::shared_ptr<ImageDelegation::Draft>> ImageDelegation::MakeDraft(absl::Time now) {
  auto key = MakeDeviceKey();
  if (!key.ok()) return key.status();
  auto draft = std::make_shared<Draft>();
  draft->key = *std::move(key);
  // Whole seconds, as a certificate has them.
  now = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  draft->not_after = now + kLife;
  const Bytes serial = matter::DrawDacSerial(random_);
  auto tbs = image::EncodeImageDelegateTbs(certificate_, {.public_key = draft->key.point,
                                                          .serial_number = serial,
                                                          .not_before = now - kSkew,
                                                          .not_after = draft->not_after});
  if (!tbs.ok()) return tbs.status();
  draft->tbs = *std::move(tbs);
  return draft;
}

absl::StatusOr<std::shared_ptr<const ImageDelegate>> ImageDelegation::Finish(
    Draft& draft, const hsm::RawSignature& signature) {
  const auto issuer = matter::Certificate::Parse(certificate_);
  if (!issuer.ok()) return issuer.status();
  const auto der = image::AssembleImageSignerCertificate(draft.tbs, signature);
  if (!der.ok()) return der.status();
  const auto certificate = matter::Certificate::Parse(*der);
  if (!certificate.ok()) return certificate.status();
  if (!certificate->IsSignedBy(*issuer)) {
    return Refuse(Reason::HSM_BAD_SIGNATURE,
                  "the signature under the image delegate's certificate is wrong");
  }
  auto verifier = matter::SignatureVerifier::Make(draft.key.point);
  if (!verifier.ok()) return verifier.status();
  auto cms = image::DetachedCmsTemplate::Make(*der);
  if (!cms.ok()) return cms.status();
  auto key = std::make_unique<ImageDelegate::Key>(draft.key);
  return std::shared_ptr<const ImageDelegate>(
      new ImageDelegate(std::move(key), *std::move(verifier), *std::move(cms), draft.not_after));
}

void ImageDelegation::Settle(absl::StatusOr<std::shared_ptr<const ImageDelegate>> made) {
  if (made.ok()) {
    LogInfo("image_delegate_certified",
            {{"key", label_}, {"not_after", TimeText((*made)->not_after())}});
  } else {
    LogWarning("image_delegate_refused",
               {{"key", label_}, {"message", std::string(made.status().message())}});
  }
  std::vector<Use> waiting;
  {
    const std::lock_guard lock(mutex_);
    asking_ = false;
    waiting.swap(waiting_);
    if (made.ok()) {
      present_ = *made;
      renew_at_ = present_->not_after() - kLife / 2;
    } else {
      renew_at_ = clock_.Now() + kRetry;
    }
    answered_.notify_all();  // from here on nothing of this object is touched
  }
  for (const Use& use : waiting) use(made);
}

}  // namespace assay::issue
