#include "matter/certificate_format.h"

#include <algorithm>

#include "matter/der.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

// SEQUENCE { ecdsa-with-SHA256 }, no parameters.
constexpr uint8_t kEcdsaSha256Algorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr uint16_t kAuthorityUsage = kKeyCertSign | kCrlSign;

bool Same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

// Collects findings of one certificate under its role's result number and field prefix.
class FormatCheck {
 public:
  FormatCheck(const Certificate& certificate, Role role)
      : certificate_(certificate),
        role_(role),
        result_(role == Role::kPaa   ? AttestationResult::kPaaFormatInvalid
                : role == Role::kPai ? AttestationResult::kPaiFormatInvalid
                                     : AttestationResult::kDacFormatInvalid),
        prefix_(role == Role::kPaa   ? "paa."
                : role == Role::kPai ? "pai."
                                     : "dac.") {}

  Findings Run() {
    Require(certificate_.version() == 3, "version", "version is v3");
    Require(Same(certificate_.tbs_algorithm(), kEcdsaSha256Algorithm) &&
                Same(certificate_.outer_algorithm(), kEcdsaSha256Algorithm),
            "signature_algorithm", "ecdsa-with-SHA256 without parameters, inside and outside");
    Require(certificate_.IsP256() && CheckP256Point(certificate_.public_key()).ok(), "public_key",
            "an uncompressed point on prime256v1");
    CheckBasicConstraints();
    CheckKeyUsage();
    CheckKeyId(kOidSubjectKeyId, certificate_.subject_key_id(), "subject_key_id", true);
    CheckKeyId(kOidAuthorityKeyId, certificate_.authority_key_id(), "authority_key_id",
               role_ != Role::kPaa);
    return std::move(findings_);
  }

 private:
  void Require(bool holds, const char* field, const char* rule) {
    if (!holds) findings_.push_back({result_, prefix_ + field, rule, false});
  }

  bool OnceCritical(ByteView oid) const {
    return certificate_.CountOf(oid) == 1 && certificate_.Find(oid)->critical;
  }

  void CheckBasicConstraints() {
    Require(OnceCritical(kOidBasicConstraints), "basic_constraints",
            "exactly one BasicConstraints, critical");
    const auto constraints = certificate_.basic_constraints();
    if (!constraints.ok() || !constraints->has_value()) {
      Require(!certificate_.Find(kOidBasicConstraints), "basic_constraints", "must be readable");
      return;
    }
    const BasicConstraints& found = **constraints;
    if (role_ == Role::kDac) {
      Require(!found.ca && !found.path_len.has_value(), "basic_constraints",
              "cA FALSE and no path length");
    } else if (role_ == Role::kPai) {
      Require(found.ca && found.path_len == 0u, "basic_constraints", "cA TRUE and path length 0");
    } else {
      Require(found.ca && (!found.path_len.has_value() || found.path_len == 1u),
              "basic_constraints", "cA TRUE and path length 1 or none");
    }
  }

  void CheckKeyUsage() {
    Require(OnceCritical(kOidKeyUsage), "key_usage", "exactly one KeyUsage, critical");
    const auto usage = certificate_.key_usage();
    if (!usage.ok() || !usage->has_value()) {
      Require(!certificate_.Find(kOidKeyUsage), "key_usage", "must be readable");
      return;
    }
    if (role_ == Role::kDac) {
      Require(**usage == kDigitalSignature, "key_usage", "digitalSignature alone");
    } else {
      Require((**usage & ~kDigitalSignature) == kAuthorityUsage, "key_usage",
              "keyCertSign and cRLSign, digitalSignature at most beside them");
    }
  }

  void CheckKeyId(ByteView oid, ByteView id, const char* field, bool required) {
    const size_t count = certificate_.CountOf(oid);
    if (count == 0 && !required) return;
    Require(count == 1 && !certificate_.Find(oid)->critical && id.size() == KeyId{}.size(), field,
            "exactly one, not critical, of 20 bytes");
  }

  const Certificate& certificate_;
  const Role role_;
  const AttestationResult result_;
  const std::string prefix_;
  Findings findings_;
};

}  // namespace

Findings CheckFormat(const Certificate& certificate, Role role) {
  return FormatCheck(certificate, role).Run();
}

Findings CheckChain(const Certificate* paa, const Certificate* pai, const Certificate* dac) {
  Findings findings;
  auto require = [&](bool holds, const char* field, const char* rule,
                     AttestationResult result = AttestationResult::kDacSignatureInvalid) {
    if (!holds) findings.push_back({result, field, rule, false});
  };
  require(paa != nullptr, "paa", "a PAA certificate", AttestationResult::kPaaArgumentInvalid);
  require(dac != nullptr, "dac", "a DAC", AttestationResult::kDacArgumentInvalid);
  if (paa == nullptr || dac == nullptr) return findings;
  require(pai != nullptr, "pai", "a PAI certificate");
  if (pai == nullptr) return findings;

  const absl::Time at = dac->validity().not_before;
  require(pai->validity().Contains(at), "pai.validity", "must hold the DAC's notBefore");
  require(paa->validity().Contains(at), "paa.validity", "must hold the DAC's notBefore");
  require(dac->validity().Contains(at), "dac.validity", "must not end before it begins");
  require(Same(dac->issuer(), pai->subject()), "dac.issuer", "must be the PAI's subject");
  require(Same(pai->issuer(), paa->subject()), "pai.issuer", "must be the PAA's subject");
  require(Same(paa->issuer(), paa->subject()), "paa.issuer", "must be the PAA's own subject");
  require(Same(dac->authority_key_id(), pai->subject_key_id()), "dac.authority_key_id",
          "must be the PAI's subject key id");
  require(Same(pai->authority_key_id(), paa->subject_key_id()), "pai.authority_key_id",
          "must be the PAA's subject key id");
  if (paa->Find(kOidAuthorityKeyId) != nullptr) {
    require(Same(paa->authority_key_id(), paa->subject_key_id()), "paa.authority_key_id",
            "must be the PAA's own subject key id");
  }
  require(dac->IsSignedBy(*pai), "dac.signature", "must be made by the PAI's key");
  require(pai->IsSignedBy(*paa), "pai.signature", "must be made by the PAA's key");
  require(paa->IsSignedBy(*paa), "paa.signature", "must be made by its own key");
  return findings;
}

bool WasValidAtIssuance(const Certificate& candidate, const Certificate& issuer) {
  return issuer.validity().Contains(candidate.validity().not_before);
}

}  // namespace assay::matter
