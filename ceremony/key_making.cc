#include "ceremony/key_making.h"

#include "base/refusal.h"
#include "hsm/p256.h"
#include "image/cms.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/ecdsa.h"
#include "matter/name.h"
#include "matter/tbs.h"

namespace assay::ceremony {
namespace {

// Certificates begin a day early: the clocks of a sandbox's machines may differ, and a commissioner
// checks PAI and PAA at the DAC's notBefore.
constexpr absl::Duration kSkew = absl::Hours(24);

absl::StatusOr<Bytes> EncodeOwn(const hsm::KeyDescription& key, SelfSigned kind,
                                std::string_view common_name, const Bytes& serial,
                                absl::Time from) {
  const matter::Validity validity{.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(from)),
                                  .not_after = matter::NeverExpires()};
  if (kind == SelfSigned::kPaa) {
    return matter::EncodePaaTbs({.common_name = common_name,
                                 .vid = std::nullopt,
                                 .pid = std::nullopt,
                                 .serial = serial,
                                 .validity = validity,
                                 .public_key = *key.public_point});
  }
  if (kind == SelfSigned::kImageSigner) {
    return image::EncodeImageSignerTbs({.common_name = std::string(common_name),
                                        .public_key = ToBytes(*key.public_point),
                                        .serial_number = serial,
                                        .not_before = from,
                                        .not_after = absl::InfiniteFuture()});
  }
  const Bytes name =
      matter::EncodeName(matter::MatterName(common_name, std::nullopt, std::nullopt));
  const matter::KeyId key_id = matter::KeyIdOf(*key.public_point);
  return matter::EncodeTbs({.serial = serial,
                            .issuer = name,
                            .validity = validity,
                            .subject = name,
                            .public_key = *key.public_point,
                            .basic_constraints = {},
                            .key_usage = matter::kDigitalSignature,
                            .subject_key_id = key_id,
                            .authority_key_id = key_id,
                            .more_extensions = {}});
}

}  // namespace

Bytes DrawSerial(Random& random) {
  Bytes serial = random.Draw(16);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x7F) | 0x40);
  return serial;
}

absl::StatusOr<hsm::RawSignature> SignChecked(hsm::Token& token, const hsm::KeyDescription& key,
                                              ByteView message) {
  const Sha256Digest digest = Sha256(message);
  auto signature = token.Sign(key.label, digest);
  if (!signature.ok()) return signature.status();
  if (!hsm::VerifySignature(*key.public_point, digest, *signature)) {
    return RefuseField(Reason::HSM_BAD_SIGNATURE, "key", key.label, "the signature must verify");
  }
  return signature;
}

absl::StatusOr<Bytes> SignOwnCertificate(hsm::Token& token, const hsm::KeyDescription& key,
                                         SelfSigned kind, std::string_view common_name,
                                         Random& random, const Clock& clock) {
  const auto tbs = EncodeOwn(key, kind, common_name, DrawSerial(random), clock.Now() - kSkew);
  if (!tbs.ok()) return Within(key.label, tbs.status());
  const auto signature = SignChecked(token, key, *tbs);
  if (!signature.ok()) return signature.status();
  return matter::AssembleCertificate(*tbs, *signature);
}

absl::StatusOr<Bytes> SignRequest(hsm::Token& token, const hsm::KeyDescription& key,
                                  ByteView subject) {
  const Bytes info = matter::EncodeCsrInfo(subject, *key.public_point);
  const auto signature = SignChecked(token, key, info);
  if (!signature.ok()) return signature.status();
  Bytes csr = matter::AssembleCsr(info, *signature);
  if (const auto read = matter::ParseCsr(csr); !read.ok()) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, read.status().message());
  }
  return csr;
}

}  // namespace assay::ceremony
