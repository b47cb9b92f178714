#include "matter/attestation.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/certificate_format.h"

namespace assay::matter {
namespace {

using R = AttestationResult;

std::string RuleOf(const absl::Status& status) {
  const std::optional<Refusal> refusal = RefusalOf(status);
  return refusal.has_value() ? refusal->field + ": " + refusal->rule : std::string("readable");
}

// connectedhomeip's order of checks, numbered as in VerifyAttestationInformation; where the SDK
// stops at the first failure this goes on as far as what is at hand allows.
class AttestationCheck {
 public:
  explicit AttestationCheck(const AttestationInputs& inputs) : in_(inputs) {}

  AttestationOutcome Run() {
    if (CheckArguments()) {
      ReadCertificates();
      CheckIds();
      CheckSignature();
      FindPaa();
      CheckDates();
      CheckLinks();
      CheckElements();
      CheckRevocation();
      CheckKeyOfPai();
    }
    AttestationOutcome outcome;
    std::stable_partition(findings_.begin(), findings_.end(),
                          [](const Finding& f) { return !f.strict; });
    if (!findings_.empty() && !findings_[0].strict) outcome.result = findings_[0].result;
    outcome.findings = std::move(findings_);
    return outcome;
  }

 private:
  bool Require(bool holds, R result, std::string field, std::string rule) {
    if (!holds) findings_.push_back({result, std::move(field), std::move(rule), false});
    return holds;
  }

  // 1 and 2
  bool CheckArguments() {
    const bool all = !in_.elements.empty() && !in_.challenge.empty() && !in_.signature.empty() &&
                     !in_.dac.empty() && !in_.nonce.empty() && in_.paas != nullptr;
    return Require(all, R::kInvalidArgument, "request",
                   "elements, challenge, signature, nonce, DAC and PAA list are given") &&
           Require(in_.elements.size() <= kMaxAttestationElementsSize, R::kInvalidArgument,
                   "elements", "at most 900 bytes") &&
           Require(!in_.pai.empty(), R::kPaiMissing, "pai", "the PAI is given");
  }

  // 3
  void ReadCertificates() {
    Read(in_.pai, Role::kPai, R::kPaiFormatInvalid, "pai", pai_);
    Read(in_.dac, Role::kDac, R::kDacFormatInvalid, "dac", dac_);
  }

  void Read(ByteView der, Role role, R result, const char* field, std::optional<Certificate>& out) {
    absl::StatusOr<Certificate> read = Certificate::Parse(der);
    if (!Require(read.ok(), result, field, "one X.509 certificate in DER")) return;
    out = *std::move(read);
    for (Finding& finding : CheckFormat(*out, role)) findings_.push_back(std::move(finding));
    // The SDK's verifier does not measure it; the certification tests do.
    if (der.size() > kMaxCertificateSize) {
      findings_.push_back({result, std::string(field) + ".size", "at most 600 bytes", true});
    }
  }

  // 4 to 6
  void CheckIds() {
    const bool pai_ids = pai_.has_value() && Ids(*pai_, R::kPaiFormatInvalid, "pai", pai_ids_);
    const bool dac_ids = dac_.has_value() && Ids(*dac_, R::kDacFormatInvalid, "dac", dac_ids_);
    if (!pai_ids || !dac_ids) return;
    Require(pai_ids_.vid.has_value() && pai_ids_.vid == dac_ids_.vid, R::kDacVendorIdMismatch,
            "dac.vid", "the DAC and the PAI have the same vendor id");
    Require(dac_ids_.pid.has_value() && (!pai_ids_.pid.has_value() || pai_ids_.pid == dac_ids_.pid),
            R::kDacProductIdMismatch, "dac.pid", "the DAC has the PAI's product id, if it has one");
  }

  bool Ids(const Certificate& certificate, R result, const std::string& field, NameIds& ids) {
    if (!Require(
            certificate.subject_ids().ok(), result, field + ".subject",
            certificate.subject_ids().ok() ? "" : RuleOf(certificate.subject_ids().status()))) {
      return false;
    }
    ids = *certificate.subject_ids();
    return true;
  }

  // 7
  void CheckSignature() {
    const bool length =
        Require(in_.signature.size() == kRawSignatureSize, R::kAttestationSignatureInvalidFormat,
                "signature", "raw r||s of 64 bytes");
    if (!dac_.has_value() || !dac_->IsP256()) return;  // named by its format
    absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(dac_->public_key());
    if (!key.ok() || !length) return;
    Require(VerifyElementsSignature(*key, in_.elements, in_.challenge, in_.signature),
            R::kAttestationSignatureInvalid, "signature",
            "made by the DAC's key over elements and challenge");
  }

  // 8 and 9
  void FindPaa() {
    if (!pai_.has_value()) return;
    if (pai_->authority_key_id().empty()) return;  // named by its format
    paa_ = in_.paas->Find(pai_->authority_key_id());
    if (!Require(paa_ != nullptr, R::kPaaNotFound, "paa",
                 "the PAI's authority key id is that of a trusted PAA")) {
      return;
    }
    NameIds ids;
    if (!Ids(*paa_, R::kPaaFormatInvalid, "paa", ids)) return;
    Require(!ids.vid.has_value() || ids.vid == pai_ids_.vid, R::kPaiVendorIdMismatch, "pai.vid",
            "the PAA's vendor id, if it has one");
    Require(!ids.pid.has_value(), R::kPaaFormatInvalid, "paa.pid", "none");
  }

  // 10
  void CheckDates() {
    if (dac_.has_value()) {
      Require(dac_->validity().Contains(in_.now), R::kDacExpired, "dac.validity", "valid now");
    }
  }

  // 11 and 12
  void CheckLinks() {
    if (paa_ == nullptr || !dac_.has_value()) return;
    for (Finding& finding : CheckChain(paa_, &*pai_, &*dac_)) {
      findings_.push_back(std::move(finding));
    }
    Require(!paa_->subject_key_id().empty(), R::kPaaFormatInvalid, "paa.subject_key_id", "present");
  }

  // 13 and 14
  void CheckElements() {
    absl::StatusOr<AttestationElements> elements = DecodeAttestationElements(in_.elements);
    if (!Require(elements.ok(), R::kAttestationElementsMalformed, "elements",
                 elements.ok() ? "" : RuleOf(elements.status()))) {
      return;
    }
    Require(EqualInConstantTime(elements->nonce, in_.nonce), R::kAttestationNonceMismatch,
            "elements.nonce", "the nonce that was sent");
    std::optional<CertificationDeclaration> cd;
    const R result = VerifyCdAsSdk(elements->certification_declaration, in_.cd_trust, cd);
    Require(result == R::kSuccess, result, "cd",
            std::string("a declaration a commissioner accepts: ") +
                std::string(AttestationResultName(result)));
    if (!cd.has_value()) return;
    for (Finding& finding : MatchCd(*cd, Subject())) findings_.push_back(std::move(finding));
    if (in_.cd_record == nullptr) return;
    for (Finding& finding : MatchCdRecord(*cd, *in_.cd_record)) {
      findings_.push_back(std::move(finding));
    }
  }

  CdSubject Subject() const {
    CdSubject subject;
    subject.basic_info_vid = in_.vendor_id;
    subject.basic_info_pid = in_.product_id;
    subject.dac_vid = dac_ids_.vid.value_or(0);
    subject.dac_pid = dac_ids_.pid.value_or(0);
    subject.pai_vid = pai_ids_.vid.value_or(0);
    subject.pai_pid = pai_ids_.pid;
    if (paa_ != nullptr && paa_->subject_key_id().size() == KeyId{}.size()) {
      std::ranges::copy(paa_->subject_key_id(), subject.paa_key_id.emplace().begin());
    }
    return subject;
  }

  // 15
  void CheckRevocation() {
    if (in_.revocations == nullptr || !dac_.has_value() || !pai_.has_value()) return;
    const R result = in_.revocations->Check(*dac_, *pai_);
    Require(result == R::kSuccess, result, "revocation", "neither DAC nor PAI is revoked");
  }

  // Assay's own: a DAC that shares its issuer's key proves nothing.
  void CheckKeyOfPai() {
    if (!dac_.has_value() || !pai_.has_value()) return;
    if (std::ranges::equal(dac_->public_key(), pai_->public_key())) {
      findings_.push_back({R::kDacFormatInvalid, "dac.public_key", "not the PAI's key", true});
    }
  }

  const AttestationInputs& in_;
  std::optional<Certificate> pai_;
  std::optional<Certificate> dac_;
  const Certificate* paa_ = nullptr;
  NameIds pai_ids_;
  NameIds dac_ids_;
  Findings findings_;
};

}  // namespace

absl::Status PaaTrustStore::Add(const Certificate& paa) {
  const Findings findings = CheckFormat(paa, Role::kPaa);
  if (!findings.empty()) {
    return RefuseField(Reason::PAA_UNTRUSTED, findings[0].field, "", findings[0].rule);
  }
  paas_.emplace(ToBytes(paa.subject_key_id()), paa);
  return absl::OkStatus();
}

const Certificate* PaaTrustStore::Find(ByteView key_id) const {
  const auto at = paas_.find(ToBytes(key_id));
  return at == paas_.end() ? nullptr : &at->second;
}

AttestationOutcome VerifyAttestation(const AttestationInputs& inputs) {
  return AttestationCheck(inputs).Run();
}

}  // namespace assay::matter
