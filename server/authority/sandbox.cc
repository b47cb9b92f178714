// What only a sandbox does: keys and certificates of its own PAA, CD signer and image signer, and
// signatures by them.
#include <algorithm>
#include <string>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/policy.h"
#include "image/cms.h"
#include "matter/certificate.h"
#include "matter/certification_declaration.h"
#include "matter/csr.h"
#include "matter/ecdsa.h"
#include "matter/name.h"
#include "matter/tbs.h"
#include "server/authority/authority.h"

namespace assay::authority {
namespace {

// Certificates begin a day early: the clocks of a sandbox's machines may differ, and a commissioner
// checks PAI and PAA at the DAC's notBefore.
constexpr absl::Duration kSkew = absl::Hours(24);
constexpr char kDefaultCertificateId[] = "ASSAY0SANDBOX000-01";

// 16 random bytes, positive and without a leading zero.
Bytes DrawSerial(Random& random) {
  Bytes serial = random.Draw(16);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x7F) | 0x40);
  return serial;
}

matter::Validity ValidFrom(absl::Time time) {
  return {.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(time)),
          .not_after = matter::NeverExpires()};
}

absl::StatusOr<hsm::KeyDescription> FindOrMake(hsm::Token& token, std::string_view label,
                                               hsm::KeyPurpose purpose) {
  auto key = token.FindKey(label);
  if (HasReason(key.status(), Reason::HSM_KEY_MISSING)) key = token.GenerateKey(label, purpose);
  if (!key.ok()) return key.status();
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(*key, purpose));
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPolicy(*key, hsm::KeyOrigin::kImportAllowed));
  return key;
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

absl::StatusOr<Bytes> EncodeSignerTbs(std::string_view common_name, const hsm::KeyDescription& key,
                                      Random& random, absl::Time from) {
  const Bytes name =
      matter::EncodeName(matter::MatterName(common_name, std::nullopt, std::nullopt));
  const Bytes serial = DrawSerial(random);
  const matter::KeyId key_id = matter::KeyIdOf(*key.public_point);
  return matter::EncodeTbs({.serial = serial,
                            .issuer = name,
                            .validity = ValidFrom(from),
                            .subject = name,
                            .public_key = *key.public_point,
                            .basic_constraints = {},
                            .key_usage = matter::kDigitalSignature,
                            .subject_key_id = key_id,
                            .authority_key_id = key_id,
                            .more_extensions = {}});
}

absl::StatusOr<Bytes> EncodeSandboxPaaTbs(std::string_view common_name,
                                          const hsm::KeyDescription& key, Random& random,
                                          absl::Time from) {
  return matter::EncodePaaTbs({.common_name = common_name,
                               .vid = std::nullopt,
                               .pid = std::nullopt,
                               .serial = DrawSerial(random),
                               .validity = ValidFrom(from),
                               .public_key = *key.public_point});
}

absl::StatusOr<Bytes> EncodeImageTbs(std::string_view common_name, const hsm::KeyDescription& key,
                                     Random& random, absl::Time from) {
  return image::EncodeImageSignerTbs({.common_name = std::string(common_name),
                                      .public_key = ToBytes(*key.public_point),
                                      .serial_number = DrawSerial(random),
                                      .not_before = from,
                                      .not_after = absl::InfiniteFuture()});
}

using EncodeSelfSigned = absl::StatusOr<Bytes> (*)(std::string_view, const hsm::KeyDescription&,
                                                   Random&, absl::Time);

absl::StatusOr<Bytes> FindOrMakeSelfSigned(hsm::Token& token, Random& random, const Clock& clock,
                                           const std::string& label, std::string_view common_name,
                                           EncodeSelfSigned encode, const Bytes& existing) {
  const auto key = FindOrMake(token, label, hsm::KeyPurpose::kSigning);
  if (!key.ok()) return key.status();
  if (!existing.empty()) {
    const auto certificate = matter::Certificate::Parse(existing);
    if (!certificate.ok()) return Within(label, certificate.status());
    if (!std::ranges::equal(certificate->public_key(), *key->public_point)) {
      return RefuseField(Reason::FIELDS_CONTRADICT, label, "",
                         "the certificate file belongs to another key than the token's: restore "
                         "the token, or remove the file to have a new certificate made");
    }
    return existing;
  }
  const auto tbs = encode(common_name, *key, random, clock.Now() - kSkew);
  if (!tbs.ok()) return Within(label, tbs.status());
  const auto signature = SignChecked(token, *key, *tbs);
  if (!signature.ok()) return signature.status();
  return matter::AssembleCertificate(*tbs, *signature);
}

absl::StatusOr<matter::CertificationDeclaration> ReadDeclaration(
    const v1::SignSandboxDeclarationRequest& request) {
  if (request.vendor_id() == 0 || request.vendor_id() > 0xFFFF) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "vendor_id", std::to_string(request.vendor_id()),
                       "1 to 65535");
  }
  if (request.version_number() > 0xFFFF) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "version_number",
                       std::to_string(request.version_number()), "0 to 65535");
  }
  matter::CertificationDeclaration cd;
  cd.vendor_id = static_cast<uint16_t>(request.vendor_id());
  for (const uint32_t product : request.product_ids()) {
    if (product == 0 || product > 0xFFFF) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "product_ids", std::to_string(product),
                         "1 to 65535");
    }
    cd.product_ids.push_back(static_cast<uint16_t>(product));
  }
  cd.device_type_id = request.device_type_id();
  cd.certificate_id =
      request.certificate_id().empty() ? kDefaultCertificateId : request.certificate_id();
  cd.version_number = static_cast<uint16_t>(request.version_number());
  cd.certification_type = matter::CertificationDeclaration::kDevelopment;
  if (request.dac_origin_vendor_id() > 0xFFFF || request.dac_origin_product_id() > 0xFFFF) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "dac_origin_vendor_id", "", "0 to 65535");
  }
  if (request.has_dac_origin_vendor_id()) {
    cd.dac_origin_vendor_id = static_cast<uint16_t>(request.dac_origin_vendor_id());
  }
  if (request.has_dac_origin_product_id()) {
    cd.dac_origin_product_id = static_cast<uint16_t>(request.dac_origin_product_id());
  }
  for (const std::string& paa : request.authorized_paas()) {
    matter::KeyId key_id;
    if (paa.size() != key_id.size()) {
      return RefuseField(Reason::FIELD_MALFORMED, "authorized_paas", ToUpperHex(AsBytes(paa)),
                         "a key id has 20 bytes");
    }
    std::ranges::copy(AsBytes(paa), key_id.begin());
    if (!cd.authorized_paas) cd.authorized_paas.emplace();
    cd.authorized_paas->push_back(key_id);
  }
  return cd;
}

}  // namespace

absl::StatusOr<Bytes> Authority::SignPaiBySandboxPaa(const db::Pai& pai) {
  if (options_.production) {
    return Refuse(Reason::TEST_CREDENTIAL,
                  "production has no PAA of its own: have the PAA's owner sign the request");
  }
  const auto paa = matter::Certificate::Parse(options_.sandbox_paa_certificate);
  if (!paa.ok()) {
    return Refuse(Reason::PAA_UNTRUSTED, "no sandbox PAA is configured: run assayd sandbox");
  }
  const auto paa_key = token_->FindKey(options_.sandbox_paa_key);
  if (!paa_key.ok()) return paa_key.status();
  // The name the request asks for, so that a sandbox PAI reads as its own operator named it.
  const auto csr = matter::ParseCsr(pai.csr);
  if (!csr.ok()) return csr.status();
  const auto subject = matter::DecodeName(csr->subject);
  if (!subject.ok()) return subject.status();
  const std::string common_name = subject->relative_names.at(0).at(0).value;
  const absl::Time from = std::max(clock_.Now() - kSkew, paa->validity().not_before);
  const auto tbs = matter::EncodePaiTbs({.common_name = common_name,
                                         .vid = pai.vendor_id,
                                         .pid = pai.product_id,
                                         .serial = DrawSerial(random_),
                                         .validity = ValidFrom(from),
                                         .public_key = pai.public_key},
                                        *paa);
  if (!tbs.ok()) return tbs.status();
  const auto signature = SignChecked(*token_, *paa_key, *tbs);
  if (!signature.ok()) return signature.status();
  return matter::AssembleCertificate(*tbs, *signature);
}

absl::StatusOr<v1::SignSandboxDeclarationResponse> Authority::SignSandboxDeclaration(
    const access::Caller& caller, const v1::SignSandboxDeclarationRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  if (options_.production) {
    return Refuse(Reason::TEST_CREDENTIAL, "declarations come from the Alliance");
  }
  const auto signer = matter::Certificate::Parse(options_.sandbox_cd_certificate);
  if (!signer.ok() || signer->subject_key_id().size() != sizeof(matter::KeyId)) {
    return Refuse(Reason::CD_UNTRUSTED, "no sandbox CD signer is configured: run assayd sandbox");
  }
  const auto cd = ReadDeclaration(request);
  if (!cd.ok()) return cd.status();
  const auto content = matter::EncodeCdContent(*cd);
  if (!content.ok()) return content.status();
  const auto key = token_->FindKey(options_.sandbox_cd_key);
  if (!key.ok()) return key.status();
  const auto signature = SignChecked(*token_, *key, *content);
  if (!signature.ok()) return signature.status();
  matter::KeyId key_id;
  std::ranges::copy(signer->subject_key_id(), key_id.begin());
  v1::SignSandboxDeclarationResponse response;
  response.set_declaration(ToText(matter::AssembleCd(*content, key_id, *signature)));
  return response;
}

absl::StatusOr<SandboxKeys> PrepareSandbox(hsm::Token& token, Random& random, const Clock& clock,
                                           const SandboxKeys& existing) {
  SandboxKeys keys;
  auto paa =
      FindOrMakeSelfSigned(token, random, clock, std::string(kSandboxPaaKey), "Assay Sandbox PAA",
                           EncodeSandboxPaaTbs, existing.paa_certificate);
  if (!paa.ok()) return paa.status();
  keys.paa_certificate = *std::move(paa);
  auto cd =
      FindOrMakeSelfSigned(token, random, clock, std::string(kSandboxCdKey),
                           "Assay Sandbox CD Signer", EncodeSignerTbs, existing.cd_certificate);
  if (!cd.ok()) return cd.status();
  keys.cd_certificate = *std::move(cd);
  auto image = FindOrMakeSelfSigned(token, random, clock, std::string(kImageKey),
                                    "Assay Sandbox Image Signer", EncodeImageTbs,
                                    existing.image_certificate);
  if (!image.ok()) return image.status();
  keys.image_certificate = *std::move(image);
  if (auto key = FindOrMake(token, kWrappingKey, hsm::KeyPurpose::kWrapping); !key.ok()) {
    return key.status();
  }
  if (auto key = FindOrMake(token, kLedgerKey, hsm::KeyPurpose::kSigning); !key.ok()) {
    return key.status();
  }
  return keys;
}

}  // namespace assay::authority
