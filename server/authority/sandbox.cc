// What only a sandbox does: keys and certificates of its own PAA, CD signer and image signer, and
// signatures by them.
#include <algorithm>
#include <string>

#include "base/refusal.h"
#include "ceremony/key_making.h"
#include "hsm/policy.h"
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

matter::Validity ValidFrom(absl::Time time) {
  return {.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(time)),
          .not_after = matter::NeverExpires()};
}

// A key that is made is added to `made`.
absl::StatusOr<hsm::KeyDescription> FindOrMake(hsm::Token& token, const std::string& label,
                                               hsm::KeyPurpose purpose,
                                               std::vector<std::string>& made) {
  auto key = token.FindKey(label);
  if (HasReason(key.status(), Reason::HSM_KEY_MISSING)) {
    key = token.GenerateKey(label, purpose);
    if (key.ok()) made.push_back(label);
  }
  if (!key.ok()) return key.status();
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(*key, purpose));
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPolicy(*key, hsm::KeyOrigin::kImportAllowed));
  return key;
}

absl::StatusOr<Bytes> FindOrMakeSelfSigned(hsm::Token& token, Random& random, const Clock& clock,
                                           const std::string& label, std::string_view common_name,
                                           ceremony::SelfSigned kind, const Bytes& existing,
                                           std::vector<std::string>& made) {
  if (!existing.empty() && HasReason(token.FindKey(label).status(), Reason::HSM_KEY_MISSING)) {
    return RefuseField(Reason::FIELDS_CONTRADICT, label, "",
                       "the certificate file is there, but the token has no key of this label: "
                       "give the key's label in the configuration, restore the token, or remove "
                       "the file to have a new key and certificate made");
  }
  const auto key = FindOrMake(token, label, hsm::KeyPurpose::kSigning, made);
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
  return ceremony::SignOwnCertificate(token, *key, kind, common_name, random, clock);
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
  for (const auto& [field, value] :
       {std::pair{"dac_origin_vendor_id", request.dac_origin_vendor_id()},
        std::pair{"dac_origin_product_id", request.dac_origin_product_id()}}) {
    if (value > 0xFFFF) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, std::to_string(value), "0 to 65535");
    }
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
                                         .serial = ceremony::DrawSerial(random_),
                                         .validity = ValidFrom(from),
                                         .public_key = pai.public_key},
                                        *paa);
  if (!tbs.ok()) return tbs.status();
  const auto signature = ceremony::SignChecked(*token_, *paa_key, *tbs);
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
  const auto signature = ceremony::SignChecked(*token_, *key, *content);
  if (!signature.ok()) return signature.status();
  matter::KeyId key_id;
  std::ranges::copy(signer->subject_key_id(), key_id.begin());
  v1::SignSandboxDeclarationResponse response;
  response.set_declaration(ToText(matter::AssembleCd(*content, key_id, *signature)));
  return response;
}

absl::StatusOr<SandboxKeys> PrepareSandbox(hsm::Token& token, Random& random, const Clock& clock,
                                           const SandboxKeys& existing,
                                           const SandboxLabels& labels) {
  SandboxKeys keys;
  auto paa = FindOrMakeSelfSigned(token, random, clock, labels.paa, "Assay Sandbox PAA",
                                  ceremony::SelfSigned::kPaa, existing.paa_certificate, keys.made);
  if (!paa.ok()) return paa.status();
  keys.paa_certificate = *std::move(paa);
  auto cd = FindOrMakeSelfSigned(token, random, clock, labels.cd, "Assay Sandbox CD Signer",
                                 ceremony::SelfSigned::kDeclarationSigner, existing.cd_certificate,
                                 keys.made);
  if (!cd.ok()) return cd.status();
  keys.cd_certificate = *std::move(cd);
  auto image = FindOrMakeSelfSigned(
      token, random, clock, labels.image, "Assay Sandbox Image Signer",
      ceremony::SelfSigned::kImageSigner, existing.image_certificate, keys.made);
  if (!image.ok()) return image.status();
  keys.image_certificate = *std::move(image);
  for (const auto& [label, purpose] : {std::pair{labels.wrapping, hsm::KeyPurpose::kWrapping},
                                       std::pair{labels.ledger, hsm::KeyPurpose::kSigning}}) {
    if (auto key = FindOrMake(token, label, purpose, keys.made); !key.ok()) return key.status();
  }
  return keys;
}

}  // namespace assay::authority
