#include "server/authority/pai_check.h"

#include <algorithm>
#include <string>

#include "base/refusal.h"
#include "matter/certificate_format.h"
#include "matter/name.h"
#include "matter/test_credentials.h"

namespace assay::authority {
namespace {

using matter::Certificate;

constexpr char kCertificate[] = "certificate";
constexpr char kPaaCertificate[] = "paa_certificate";

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return RefuseField(Reason::PAI_INVALID, field, value, rule);
}

std::string IdText(const std::optional<uint16_t>& id) {
  return id ? matter::IdToText(*id) : std::string("none");
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Status CheckProfile(const Certificate& certificate, matter::Role role,
                          absl::string_view field) {
  if (certificate.der().size() > matter::kMaxCertificateSize) {
    return Invalid(field, std::to_string(certificate.der().size()),
                   "a certificate has at most 600 bytes of DER");
  }
  const matter::Findings findings = matter::CheckFormat(certificate, role);
  if (findings.empty()) return absl::OkStatus();
  return Invalid(field, findings.front().field, findings.front().rule);
}

absl::Status CheckIds(const PaiCandidate& candidate, const Certificate& pai,
                      const Certificate& paa) {
  const auto& ids = pai.subject_ids();
  if (!ids.ok()) return Invalid(kCertificate, "subject", ids.status().message());
  if (ids->vid != candidate.vendor_id) {
    return Invalid(kCertificate, IdText(ids->vid),
                   "the subject's vendor id must be " + matter::IdToText(candidate.vendor_id));
  }
  if (ids->pid != candidate.product_id) {
    return Invalid(kCertificate, IdText(ids->pid),
                   "the subject's product id must be " + IdText(candidate.product_id) +
                       ", as the PAI was created");
  }
  const auto& paa_ids = paa.subject_ids();
  if (!paa_ids.ok()) return Invalid(kPaaCertificate, "subject", paa_ids.status().message());
  if (paa_ids->pid)
    return Invalid(kPaaCertificate, IdText(paa_ids->pid), "a PAA has no product id");
  if (paa_ids->vid && *paa_ids->vid != candidate.vendor_id) {
    return Invalid(kPaaCertificate, IdText(paa_ids->vid),
                   "a PAA with a vendor id signs for that vendor only");
  }
  return absl::OkStatus();
}

absl::Status CheckLink(const Certificate& pai, const Certificate& paa) {
  if (!std::ranges::equal(paa.issuer(), paa.subject()) || !paa.IsSignedBy(paa)) {
    return Invalid(kPaaCertificate, "", "a PAA signs itself");
  }
  if (!std::ranges::equal(pai.issuer(), paa.subject())) {
    return Invalid(kCertificate, "", "the issuer must be the PAA's subject, byte for byte");
  }
  if (!std::ranges::equal(pai.authority_key_id(), paa.subject_key_id())) {
    return Invalid(kCertificate, ToUpperHex(pai.authority_key_id()),
                   "the authority key id must be the PAA's subject key id");
  }
  if (!pai.IsSignedBy(paa)) {
    return Invalid(kCertificate, "", "the signature must be by the PAA's key");
  }
  return absl::OkStatus();
}

absl::Status CheckDates(const Certificate& pai, const Certificate& paa, absl::Time now) {
  for (const auto& [certificate, field] :
       {std::pair{&pai, kCertificate}, std::pair{&paa, kPaaCertificate}}) {
    const matter::Validity& validity = certificate->validity();
    if (now < validity.not_before) {
      return Invalid(field, TimeText(validity.not_before), "the certificate is not valid yet");
    }
    if (now > validity.not_after) {
      return Invalid(field, TimeText(validity.not_after), "the certificate has expired");
    }
  }
  if (!matter::WasValidAtIssuance(pai, paa)) {
    return Invalid(kCertificate, TimeText(pai.validity().not_before),
                   "the PAA must be valid when the PAI's validity begins");
  }
  return absl::OkStatus();
}

absl::Status CheckTrust(const Certificate& pai, const Certificate& paa, const PaiRules& rules) {
  if (rules.production) {
    if (matter::IsTestAuthorityKey(pai.public_key())) {
      return RefuseField(Reason::TEST_CREDENTIAL, kCertificate, ToUpperHex(pai.subject_key_id()),
                         "the private key of this PAI is public");
    }
    if (matter::IsTestAuthorityKey(paa.public_key())) {
      return RefuseField(Reason::TEST_CREDENTIAL, kPaaCertificate, ToUpperHex(paa.subject_key_id()),
                         "the private key of this PAA is public");
    }
  }
  for (const Bytes& trusted : *rules.trusted_paas) {
    if (std::ranges::equal(paa.der(), trusted)) return absl::OkStatus();
  }
  return RefuseField(Reason::PAA_UNTRUSTED, kPaaCertificate, ToUpperHex(paa.subject_key_id()),
                     "the PAA must stand in the trust list, byte for byte");
}

}  // namespace

absl::Status CheckPaiCandidate(const PaiCandidate& candidate, const PaiRules& rules) {
  const auto pai = Certificate::Parse(candidate.certificate);
  if (!pai.ok()) return Invalid(kCertificate, "", pai.status().message());
  const auto paa = Certificate::Parse(candidate.paa_certificate);
  if (!paa.ok()) return Invalid(kPaaCertificate, "", paa.status().message());
  if (rules.production && matter::IsTestVendor(candidate.vendor_id)) {
    return RefuseField(Reason::TEST_CREDENTIAL, kCertificate, matter::IdToText(candidate.vendor_id),
                       "FFF1 to FFF4 are for tests");
  }
  if (!std::ranges::equal(pai->public_key(), candidate.public_key)) {
    return Invalid(kCertificate, "", "the certificate must be for the key in the HSM");
  }
  ASSAY_RETURN_IF_ERROR(CheckProfile(*pai, matter::Role::kPai, kCertificate));
  ASSAY_RETURN_IF_ERROR(CheckProfile(*paa, matter::Role::kPaa, kPaaCertificate));
  ASSAY_RETURN_IF_ERROR(CheckIds(candidate, *pai, *paa));
  ASSAY_RETURN_IF_ERROR(CheckLink(*pai, *paa));
  ASSAY_RETURN_IF_ERROR(CheckDates(*pai, *paa, rules.now));
  return CheckTrust(*pai, *paa, rules);
}

}  // namespace assay::authority
