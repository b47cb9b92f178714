#include "matter/lint.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/certificate_format.h"
#include "matter/der.h"

namespace assay::matter {
namespace {

// Written out here once more, so that a fault of the encoder's constants cannot hide.
constexpr uint8_t kAlgorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr uint8_t kKeyAlgorithm[] = {0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
                                     0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
constexpr uint8_t kBasicConstraintsExtension[] = {0x30, 0x0C, 0x06, 0x03, 0x55, 0x1D, 0x13,
                                                  0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00};
constexpr uint8_t kKeyUsageExtension[] = {0x30, 0x0E, 0x06, 0x03, 0x55, 0x1D, 0x0F, 0x01,
                                          0x01, 0xFF, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80};
constexpr uint8_t kSubjectKeyIdHead[] = {0x30, 0x1D, 0x06, 0x03, 0x55, 0x1D,
                                         0x0E, 0x04, 0x16, 0x04, 0x14};
constexpr uint8_t kAuthorityKeyIdHead[] = {0x30, 0x1F, 0x06, 0x03, 0x55, 0x1D, 0x23,
                                           0x04, 0x18, 0x30, 0x16, 0x80, 0x14};
constexpr size_t kMaxSerialSize = 20;
constexpr size_t kMaxNameSize = 200;
constexpr size_t kMaxCommonNameSize = 64;
// Outer SEQUENCE header, AlgorithmIdentifier, and a BIT STRING of the longest signature of 72
// bytes.
constexpr size_t kMaxWrapping = 4 + 12 + 3 + 72;

bool Same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

// Reads a TBSCertificate field by field and gathers what is broken.
class DacLint {
 public:
  DacLint(ByteView tbs, const DacLintContext& context) : tbs_(tbs), context_(context) {}

  Findings Run() {
    if (context_.pai == nullptr) {
      Break("dac.issuer", "a PAI to be held against");
      return std::move(findings_);
    }
    const absl::Status status = Walk();
    if (!status.ok()) {
      const std::optional<Refusal> refusal = RefusalOf(status);
      Break("dac", refusal.has_value() ? "strict DER: " + refusal->rule : "strict DER");
    }
    CheckSize();
    CheckIds();
    return std::move(findings_);
  }

 private:
  void Break(std::string field, std::string rule,
             AttestationResult result = AttestationResult::kDacFormatInvalid) {
    findings_.push_back({result, std::move(field), std::move(rule), false});
  }
  void Require(bool holds, const char* field, const char* rule,
               AttestationResult result = AttestationResult::kDacFormatInvalid) {
    if (!holds) Break(field, rule, result);
  }

  // The next element with its header; the tag must be right.
  static absl::StatusOr<DerElement> Next(DerReader& reader, uint8_t tag) {
    absl::StatusOr<DerElement> element = reader.Next();
    if (element.ok() && element->tag != tag) {
      return RefuseField(Reason::FIELD_MALFORMED, "der", "", "elements in the standard's order");
    }
    return element;
  }

  absl::Status Walk() {
    DerReader outer(tbs_);
    absl::StatusOr<DerReader> tbs = outer.Enter(kDerSequence);
    if (!tbs.ok()) return tbs.status();
    ASSAY_RETURN_IF_ERROR(outer.Finish());
    absl::StatusOr<DerElement> version = Next(*tbs, DerContextConstructed(0));
    if (!version.ok()) return version.status();
    static constexpr uint8_t kVersion3[] = {0x02, 0x01, 0x02};
    Require(Same(version->content, kVersion3), "dac.version", "v3");
    ASSAY_RETURN_IF_ERROR(WalkSerial(*tbs));
    absl::StatusOr<DerElement> algorithm = Next(*tbs, kDerSequence);
    if (!algorithm.ok()) return algorithm.status();
    Require(Same(algorithm->whole, kAlgorithm), "dac.signature_algorithm",
            "ecdsa-with-SHA256 without parameters");
    absl::StatusOr<DerElement> issuer = Next(*tbs, kDerSequence);
    if (!issuer.ok()) return issuer.status();
    Require(Same(issuer->whole, context_.pai->subject()), "dac.issuer",
            "the PAI's subject, byte for byte");
    ASSAY_RETURN_IF_ERROR(WalkValidity(*tbs));
    absl::StatusOr<DerElement> subject = Next(*tbs, kDerSequence);
    if (!subject.ok()) return subject.status();
    ASSAY_RETURN_IF_ERROR(WalkSubject(subject->whole));
    ASSAY_RETURN_IF_ERROR(WalkKey(*tbs));
    ASSAY_RETURN_IF_ERROR(WalkExtensions(*tbs));
    return tbs->Finish();
  }

  absl::Status WalkSerial(DerReader& tbs) {
    absl::StatusOr<ByteView> serial = tbs.Expect(kDerInteger);
    if (!serial.ok()) return serial.status();
    absl::StatusOr<ByteView> magnitude = DecodeDerUnsigned(*serial);
    if (!magnitude.ok()) return magnitude.status();
    Require(serial->size() <= kMaxSerialSize, "dac.serial", "at most 20 octets");
    Require((*magnitude)[0] != 0, "dac.serial", "positive");
    ByteView wanted = context_.serial;
    while (!wanted.empty() && wanted[0] == 0) wanted = wanted.subspan(1);
    Require(Same(*magnitude, wanted), "dac.serial", "the serial claimed for the ticket");
    return absl::OkStatus();
  }

  absl::Status WalkValidity(DerReader& tbs) {
    absl::StatusOr<DerReader> validity = tbs.Enter(kDerSequence);
    if (!validity.ok()) return validity.status();
    absl::Time times[2];
    for (absl::Time& time : times) {
      absl::StatusOr<DerElement> element = validity->Next();
      if (!element.ok()) return element.status();
      absl::StatusOr<absl::Time> read = DecodeDerTime(element->tag, element->content);
      if (!read.ok()) return read.status();
      time = *read;
      const int year = absl::ToCivilSecond(time, absl::UTCTimeZone()).year();
      Require(element->tag == (year < 2050 ? kDerUtcTime : kDerGeneralizedTime), "dac.validity",
              "UTCTime up to 2049, GeneralizedTime from 2050");
    }
    ASSAY_RETURN_IF_ERROR(validity->Finish());
    CheckTimes(times[0], times[1]);
    return absl::OkStatus();
  }

  void CheckTimes(absl::Time not_before, absl::Time not_after) {
    const Validity& pai = context_.pai->validity();
    Require(not_before < not_after, "dac.validity", "must end after it begins");
    Require(not_before <= context_.now, "dac.not_before", "not in the future",
            AttestationResult::kDacExpired);
    Require(not_before >= context_.now - context_.clock_skew - absl::Seconds(1) ||
                not_before == pai.not_before ||
                (context_.paa != nullptr && not_before == context_.paa->validity().not_before),
            "dac.not_before", "not further back than the allowed clock skew");
    Require(context_.now <= not_after, "dac.not_after", "not in the past",
            AttestationResult::kDacExpired);
    // The SDK turns it into an unsigned 32-bit UNIX time.
    Require(
        not_before >= absl::UnixEpoch() && absl::ToUnixSeconds(not_before) <= int64_t{UINT32_MAX},
        "dac.not_before", "from 1970 to 2106");
    Require(not_after == NeverExpires() || not_after <= pai.not_after, "dac.not_after",
            "never, or within the PAI's validity");
    CheckIssuerTimes("pai.validity", pai, not_before);
    if (context_.paa != nullptr)
      CheckIssuerTimes("paa.validity", context_.paa->validity(), not_before);
  }

  void CheckIssuerTimes(const char* field, const Validity& validity, absl::Time not_before) {
    Require(validity.Contains(not_before), field, "valid at the DAC's notBefore",
            AttestationResult::kDacSignatureInvalid);
    Require(validity.Contains(context_.now), field, "valid now");
  }

  absl::Status WalkSubject(ByteView subject) {
    Require(subject.size() <= kMaxNameSize, "dac.subject", "at most 200 bytes");
    absl::StatusOr<Name> name = DecodeName(subject);
    if (!name.ok()) return name.status();
    Require(!Same(subject, context_.pai->subject()), "dac.subject", "not the PAI's own");
    // The only forms issued: [CN,] VID, PID, each alone in its RDN, as UTF8String.
    std::string common_name;
    if (name->relative_names.size() == 3 && name->relative_names[0].size() == 1) {
      common_name = name->relative_names[0][0].value;
      Require(!common_name.empty() && common_name.size() <= kMaxCommonNameSize &&
                  common_name.find("Mvid:") == std::string::npos &&
                  common_name.find("Mpid:") == std::string::npos,
              "dac.subject.common_name", "1 to 64 bytes without Mvid: or Mpid:");
    }
    Require(*name == MatterName(common_name, context_.vid, context_.pid), "dac.subject",
            "common name, vendor id and product id of the product, each a UTF8String of its own");
    absl::StatusOr<NameIds> ids = IdsOfName(*name);
    Require(ids.ok() && ids->vid == context_.vid, "dac.vid", "the product's vendor id",
            AttestationResult::kDacVendorIdMismatch);
    Require(ids.ok() && ids->pid == context_.pid, "dac.pid", "the product's product id",
            AttestationResult::kDacProductIdMismatch);
    return absl::OkStatus();
  }

  absl::Status WalkKey(DerReader& tbs) {
    absl::StatusOr<DerReader> key = tbs.Enter(kDerSequence);
    if (!key.ok()) return key.status();
    absl::StatusOr<DerElement> algorithm = Next(*key, kDerSequence);
    if (!algorithm.ok()) return algorithm.status();
    Require(Same(algorithm->whole, kKeyAlgorithm), "dac.public_key", "id-ecPublicKey, prime256v1");
    absl::StatusOr<ByteView> bits = key->Expect(kDerBitString);
    if (!bits.ok()) return bits.status();
    absl::StatusOr<ByteView> point = DecodeDerOctetBits(*bits);
    if (!point.ok()) return point.status();
    point_ = *point;
    Require(CheckP256Point(point_).ok(), "dac.public_key", "an uncompressed point on the curve");
    Require(Same(point_, context_.public_key), "dac.public_key", "the device's own key");
    Require(!Same(point_, context_.pai->public_key()), "dac.public_key", "not the PAI's key");
    return key->Finish();
  }

  absl::Status WalkExtensions(DerReader& tbs) {
    absl::StatusOr<DerReader> wrapper = tbs.Enter(DerContextConstructed(3));
    if (!wrapper.ok()) return wrapper.status();
    absl::StatusOr<DerReader> list = wrapper->Enter(kDerSequence);
    if (!list.ok()) return list.status();
    ASSAY_RETURN_IF_ERROR(wrapper->Finish());
    const KeyId own_id = KeyIdOf(point_);
    struct {
      const char* field;
      const char* rule;
      ByteView head;
      ByteView tail;
    } const wanted[] = {
        {"dac.basic_constraints", "first, critical, cA FALSE", kBasicConstraintsExtension, {}},
        {"dac.key_usage",
         "second, critical, digitalSignature alone, minimal",
         kKeyUsageExtension,
         {}},
        {"dac.subject_key_id", "third, SHA-1 of the public key", kSubjectKeyIdHead, own_id},
        {"dac.authority_key_id", "fourth, the PAI's own subject key id", kAuthorityKeyIdHead,
         context_.pai->subject_key_id()},
    };
    for (const auto& extension : wanted) {
      if (list->AtEnd()) {
        Break(extension.field, "present");
        continue;
      }
      absl::StatusOr<DerElement> element = list->Next();
      if (!element.ok()) return element.status();
      const ByteView whole = element->whole;
      Require(whole.size() == extension.head.size() + extension.tail.size() &&
                  Same(whole.first(extension.head.size()), extension.head) &&
                  Same(whole.subspan(extension.head.size()), extension.tail),
              extension.field, extension.rule);
    }
    Require(list->AtEnd(), "dac.extensions", "exactly four");
    return absl::OkStatus();
  }

  void CheckSize() {
    if (tbs_.size() + kMaxWrapping > context_.max_size) {
      Break("dac.size", absl::StrCat("at most ", context_.max_size, " bytes when signed"));
    }
  }

  // VID and PID down the chain and against the declaration (2.3).
  void CheckIds() {
    const absl::StatusOr<NameIds>& pai = context_.pai->subject_ids();
    if (!pai.ok() || !pai->vid.has_value()) {
      Break("pai.vid", "exactly one vendor id", AttestationResult::kPaiFormatInvalid);
      return;
    }
    Require(*pai->vid == context_.vid, "pai.vid", "the product's vendor id",
            AttestationResult::kDacVendorIdMismatch);
    Require(!pai->pid.has_value() || *pai->pid == context_.pid, "pai.pid",
            "the product's product id, or none", AttestationResult::kDacProductIdMismatch);
    if (context_.paa != nullptr) CheckPaa(*pai);
    if (context_.cd != nullptr) CheckCd(*pai);
  }

  void CheckPaa(const NameIds& pai) {
    const Certificate& paa = *context_.paa;
    const bool ids_ok = paa.subject_ids().ok();
    Require(ids_ok && (!paa.subject_ids()->vid.has_value() || paa.subject_ids()->vid == pai.vid),
            "paa.vid", "the PAI's vendor id, or none", AttestationResult::kPaiVendorIdMismatch);
    Require(ids_ok && !paa.subject_ids()->pid.has_value(), "paa.pid", "none",
            AttestationResult::kPaaFormatInvalid);
    Require(Same(context_.pai->issuer(), paa.subject()) &&
                Same(context_.pai->authority_key_id(), paa.subject_key_id()),
            "pai.issuer", "the PAA's subject and subject key id",
            AttestationResult::kDacSignatureInvalid);
  }

  void CheckCd(const NameIds& pai) {
    CdSubject subject;
    subject.basic_info_vid = context_.basic_info_vid.value_or(context_.vid);
    subject.basic_info_pid = context_.basic_info_pid.value_or(context_.pid);
    subject.dac_vid = context_.vid;
    subject.dac_pid = context_.pid;
    subject.pai_vid = *pai.vid;
    subject.pai_pid = pai.pid;
    // The PAI names its PAA, so the list can be judged without the PAA at hand.
    const ByteView paa_id = context_.pai->authority_key_id();
    if (paa_id.size() == KeyId{}.size()) {
      std::ranges::copy(paa_id, subject.paa_key_id.emplace().begin());
    }
    for (Finding& finding : MatchCd(*context_.cd, subject)) findings_.push_back(std::move(finding));
  }

  const ByteView tbs_;
  const DacLintContext& context_;
  ByteView point_;
  Findings findings_;
};

absl::Status VerifyFailed(absl::string_view field, absl::string_view rule) {
  return RefuseField(Reason::VERIFY_FAILED, field, "", rule);
}

}  // namespace

Findings LintDacFully(ByteView tbs, const DacLintContext& context) {
  return DacLint(tbs, context).Run();
}

absl::Status LintDac(ByteView tbs, const DacLintContext& context) {
  const Findings findings = LintDacFully(tbs, context);
  if (findings.empty()) return absl::OkStatus();
  return RefuseField(Reason::LINT_FAILED, findings[0].field, "", findings[0].rule);
}

absl::StatusOr<SignatureCheck> ReadIssuedDac(ByteView certificate, ByteView linted_tbs,
                                             const SignatureVerifier& pai_key, size_t max_size) {
  if (certificate.size() > max_size) return VerifyFailed("dac.size", "the profile's limit");
  DerReader outer(certificate);
  absl::StatusOr<DerReader> fields = outer.Enter(kDerSequence);
  if (!fields.ok() || !outer.AtEnd()) return VerifyFailed("dac", "one certificate in DER");
  absl::StatusOr<DerElement> tbs = fields->Next();
  if (!tbs.ok() || !Same(tbs->whole, linted_tbs)) {
    return VerifyFailed("dac.tbs", "exactly the bytes that were linted");
  }
  absl::StatusOr<DerElement> algorithm = fields->Next();
  if (!algorithm.ok() || !Same(algorithm->whole, kAlgorithm)) {
    return VerifyFailed("dac.signature_algorithm", "ecdsa-with-SHA256 without parameters");
  }
  absl::StatusOr<ByteView> bits = fields->Expect(kDerBitString);
  if (!bits.ok() || !fields->AtEnd()) return VerifyFailed("dac.signature", "one BIT STRING");
  absl::StatusOr<ByteView> signature = DecodeDerOctetBits(*bits);
  if (!signature.ok()) return VerifyFailed("dac.signature", "a BIT STRING of whole octets");
  absl::StatusOr<RawSignature> raw = SignatureFromDer(*signature);
  if (!raw.ok()) return VerifyFailed("dac.signature", "an ECDSA signature in minimal DER");
  return SignatureCheck{&pai_key, Sha256(linted_tbs), *raw};
}

absl::Status LintPai(const Certificate& pai, const Certificate& paa, ByteView hsm_point) {
  auto refuse = [](const std::string& field, const std::string& rule) {
    return RefuseField(Reason::PAI_INVALID, field, "", rule);
  };
  if (pai.der().size() > kMaxCertificateSize) return refuse("pai.size", "at most 600 bytes");
  Findings findings = CheckFormat(paa, Role::kPaa);
  if (findings.empty()) findings = CheckFormat(pai, Role::kPai);
  if (!findings.empty()) return refuse(findings[0].field, findings[0].rule);
  if (!Same(pai.public_key(), hsm_point)) return refuse("pai.public_key", "the key of the HSM");
  if (!Same(pai.subject_key_id(), KeyIdOf(pai.public_key()))) {
    return refuse("pai.subject_key_id", "SHA-1 of the public key");
  }
  if (!Same(pai.issuer(), paa.subject())) return refuse("pai.issuer", "the PAA's subject");
  if (!Same(paa.issuer(), paa.subject())) return refuse("paa.issuer", "must be its own subject");
  if (!Same(pai.authority_key_id(), paa.subject_key_id())) {
    return refuse("pai.authority_key_id", "the PAA's subject key id");
  }
  if (!pai.subject_ids().ok() || !pai.subject_ids()->vid.has_value()) {
    return refuse("pai.vid", "exactly one vendor id");
  }
  if (!paa.subject_ids().ok() || paa.subject_ids()->pid.has_value()) {
    return refuse("paa.pid", "no product id");
  }
  if (paa.subject_ids()->vid.has_value() && paa.subject_ids()->vid != pai.subject_ids()->vid) {
    return refuse("pai.vid", "the PAA's vendor id");
  }
  if (!WasValidAtIssuance(pai, paa)) {
    return refuse("pai.validity", "must begin while the PAA is valid");
  }
  if (pai.validity().not_after <= pai.validity().not_before) {
    return refuse("pai.validity", "must end after it begins");
  }
  if (!paa.IsSignedBy(paa)) return refuse("paa.signature", "made by its own key");
  if (!pai.IsSignedBy(paa)) return refuse("pai.signature", "made by the PAA's key");
  return absl::OkStatus();
}

}  // namespace assay::matter
