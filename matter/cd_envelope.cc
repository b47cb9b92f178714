// The CMS SignedData around a certification declaration (spec 6.3.1, 2.1 of our notes), and its
// signers.
#include <algorithm>

#include "base/refusal.h"
#include "matter/certification_declaration.h"
#include "matter/der.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::CD_MALFORMED, "cd", "", rule);
}

absl::Status ExpectOid(DerReader& reader, ByteView wanted, absl::string_view rule) {
  absl::StatusOr<ByteView> oid = reader.Expect(kDerOid);
  if (!oid.ok()) return oid.status();
  return std::ranges::equal(*oid, wanted) ? absl::OkStatus() : Malformed(rule);
}

// SEQUENCE { oid } without parameters.
absl::Status ExpectAlgorithm(DerReader& reader, ByteView oid, absl::string_view rule) {
  absl::StatusOr<DerReader> algorithm = reader.Enter(kDerSequence);
  if (!algorithm.ok()) return algorithm.status();
  ASSAY_RETURN_IF_ERROR(ExpectOid(*algorithm, oid, rule));
  return algorithm->Finish();
}

absl::Status ExpectVersion3(DerReader& reader) {
  absl::StatusOr<uint64_t> version = reader.ReadUint64();
  if (!version.ok()) return version.status();
  return *version == 3 ? absl::OkStatus() : Malformed("SignedData and SignerInfo of version 3");
}

absl::Status ReadContent(DerReader& signed_data, CdEnvelope& envelope) {
  absl::StatusOr<DerReader> content = signed_data.Enter(kDerSequence);
  if (!content.ok()) return content.status();
  ASSAY_RETURN_IF_ERROR(ExpectOid(*content, kOidCmsData, "content of type id-data"));
  absl::StatusOr<DerReader> wrapped = content->Enter(DerContextConstructed(0));
  if (!wrapped.ok()) return wrapped.status();
  ASSAY_RETURN_IF_ERROR(content->Finish());
  absl::StatusOr<ByteView> octets = wrapped->Expect(kDerOctetString);
  if (!octets.ok()) return octets.status();
  envelope.content = *octets;
  return wrapped->Finish();
}

absl::Status ReadSigner(DerReader& signed_data, CdEnvelope& envelope) {
  absl::StatusOr<DerReader> signers = signed_data.Enter(kDerSet);
  if (!signers.ok()) return signers.status();
  absl::StatusOr<DerReader> signer = signers->Enter(kDerSequence);
  if (!signer.ok()) return signer.status();
  if (!signers->AtEnd()) return Malformed("exactly one signer");
  ASSAY_RETURN_IF_ERROR(ExpectVersion3(*signer));
  absl::StatusOr<ByteView> key_id = signer->Expect(DerContext(0));
  if (!key_id.ok()) return key_id.status();
  if (key_id->size() != envelope.signer_key_id.size()) return Malformed("a key id of 20 bytes");
  std::ranges::copy(*key_id, envelope.signer_key_id.begin());
  ASSAY_RETURN_IF_ERROR(ExpectAlgorithm(*signer, kOidSha256, "digest algorithm sha256"));
  ASSAY_RETURN_IF_ERROR(
      ExpectAlgorithm(*signer, kOidEcdsaSha256, "signature algorithm ecdsa-with-SHA256"));
  absl::StatusOr<ByteView> signature = signer->Expect(kDerOctetString);
  if (!signature.ok()) return signature.status();
  envelope.signature_der = *signature;
  return signer->Finish();
}

absl::Status ReadEnvelope(ByteView cms, CdEnvelope& envelope) {
  DerReader outer(cms);
  absl::StatusOr<DerReader> info = outer.Enter(kDerSequence);
  if (!info.ok()) return info.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  ASSAY_RETURN_IF_ERROR(ExpectOid(*info, kOidCmsSignedData, "CMS SignedData"));
  absl::StatusOr<DerReader> wrapped = info->Enter(DerContextConstructed(0));
  if (!wrapped.ok()) return wrapped.status();
  ASSAY_RETURN_IF_ERROR(info->Finish());
  absl::StatusOr<DerReader> signed_data = wrapped->Enter(kDerSequence);
  if (!signed_data.ok()) return signed_data.status();
  ASSAY_RETURN_IF_ERROR(wrapped->Finish());
  ASSAY_RETURN_IF_ERROR(ExpectVersion3(*signed_data));
  absl::StatusOr<DerReader> digests = signed_data->Enter(kDerSet);
  if (!digests.ok()) return digests.status();
  ASSAY_RETURN_IF_ERROR(ExpectAlgorithm(*digests, kOidSha256, "digest algorithm sha256"));
  ASSAY_RETURN_IF_ERROR(digests->Finish());
  ASSAY_RETURN_IF_ERROR(ReadContent(*signed_data, envelope));
  ASSAY_RETURN_IF_ERROR(ReadSigner(*signed_data, envelope));
  return signed_data->Finish();
}

// As the SDK looks for the key id: only the signer is judged, what stands before it is read over.
absl::Status SkipToSigner(ByteView cms, CdEnvelope& envelope) {
  DerReader outer(cms);
  absl::StatusOr<DerReader> info = outer.Enter(kDerSequence);
  if (!info.ok()) return info.status();
  ASSAY_RETURN_IF_ERROR(info->Expect(kDerOid).status());
  absl::StatusOr<DerReader> wrapped = info->Enter(DerContextConstructed(0));
  if (!wrapped.ok()) return wrapped.status();
  absl::StatusOr<DerReader> signed_data = wrapped->Enter(kDerSequence);
  if (!signed_data.ok()) return signed_data.status();
  for (uint8_t tag : {kDerInteger, kDerSet, kDerSequence}) {
    ASSAY_RETURN_IF_ERROR(signed_data->Expect(tag).status());
  }
  return ReadSigner(*signed_data, envelope);
}

bool SignatureHolds(const CdEnvelope& envelope, const SignatureVerifier& key) {
  absl::StatusOr<RawSignature> raw = SignatureFromDer(envelope.signature_der);
  return raw.ok() && key.VerifyMessage(envelope.content, *raw);
}

}  // namespace

absl::StatusOr<CdEnvelope> ParseCdEnvelope(ByteView cms) {
  if (cms.size() > kMaxCdSize) return Malformed("at most 790 bytes");
  CdEnvelope envelope;
  const absl::Status status = ReadEnvelope(cms, envelope);
  if (status.ok()) return envelope;
  const std::optional<Refusal> refusal = RefusalOf(status);
  return Malformed(refusal.has_value() ? refusal->rule : "readable CMS");
}

absl::StatusOr<KeyId> CdSignerKeyId(ByteView cms) {
  CdEnvelope envelope;
  const absl::Status status = SkipToSigner(cms, envelope);
  if (!status.ok()) return Malformed("a signer named by a subject key id of 20 bytes");
  return envelope.signer_key_id;
}

Bytes AssembleCd(ByteView content, const KeyId& signer_key_id, ByteView raw_signature) {
  const Bytes version = EncodeDerUint64(3);
  const Bytes sha256 = EncodeDer(kDerSequence, EncodeDer(kDerOid, kOidSha256));
  const Bytes ecdsa = EncodeDer(kDerSequence, EncodeDer(kDerOid, kOidEcdsaSha256));
  const Bytes digests = EncodeDer(kDerSet, sha256);
  const Bytes type = EncodeDer(kDerOid, kOidCmsData);
  const Bytes octets = EncodeDer(DerContextConstructed(0), EncodeDer(kDerOctetString, content));
  const Bytes encapsulated = EncodeDer(kDerSequence, {ByteView(type), ByteView(octets)});
  const Bytes key_id = EncodeDer(DerContext(0), signer_key_id);
  const Bytes signature = EncodeDer(kDerOctetString, SignatureToDer(raw_signature));
  const Bytes signer =
      EncodeDer(kDerSequence, {ByteView(version), ByteView(key_id), ByteView(sha256),
                               ByteView(ecdsa), ByteView(signature)});
  const Bytes signers = EncodeDer(kDerSet, signer);
  const Bytes signed_data = EncodeDer(kDerSequence, {ByteView(version), ByteView(digests),
                                                     ByteView(encapsulated), ByteView(signers)});
  const Bytes wrapped = EncodeDer(DerContextConstructed(0), signed_data);
  const Bytes outer_type = EncodeDer(kDerOid, kOidCmsSignedData);
  return EncodeDer(kDerSequence, {ByteView(outer_type), ByteView(wrapped)});
}

absl::Status CdSignerSet::Add(const Certificate& certificate, bool is_test) {
  KeyId key_id{};
  if (certificate.subject_key_id().size() != key_id.size() || !certificate.IsP256()) {
    return RefuseField(Reason::CD_UNTRUSTED, "cd_signer", "",
                       "a P-256 certificate with a subject key id of 20 bytes");
  }
  std::ranges::copy(certificate.subject_key_id(), key_id.begin());
  absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(certificate.public_key());
  if (!key.ok()) return Within("cd_signer", key.status());
  signers_.insert_or_assign(key_id,
                            Signer{*std::move(key), is_test || key_id == kTestCdSignerKeyId});
  return absl::OkStatus();
}

void CdSignerSet::AddSdkTestSigner() {
  static constexpr P256Point kPoint{
      0x04, 0x3C, 0x39, 0x89, 0x22, 0x45, 0x2B, 0x55, 0xCA, 0xF3, 0x89, 0xC2, 0x5B,
      0xD1, 0xBC, 0xA4, 0x65, 0x69, 0x52, 0xCC, 0xB9, 0x0E, 0x88, 0x69, 0x24, 0x9A,
      0xD8, 0x47, 0x46, 0x53, 0x01, 0x4C, 0xBF, 0x95, 0xD6, 0x87, 0x96, 0x5E, 0x03,
      0x6B, 0x52, 0x1C, 0x51, 0x03, 0x7E, 0x6B, 0x8C, 0xED, 0xEF, 0xCA, 0x1E, 0xB4,
      0x40, 0x46, 0x69, 0x4F, 0xA0, 0x88, 0x82, 0xEE, 0xD6, 0x51, 0x9D, 0xEC, 0xBA};
  absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(kPoint);
  if (key.ok()) signers_.insert_or_assign(kTestCdSignerKeyId, Signer{*std::move(key), true});
}

const CdSignerSet::Signer* CdSignerSet::Find(const KeyId& key_id) const {
  const auto at = signers_.find(key_id);
  return at == signers_.end() ? nullptr : &at->second;
}

absl::StatusOr<VerifiedCd> VerifyCd(ByteView cms, const CdTrust& trust) {
  absl::StatusOr<CdEnvelope> envelope = ParseCdEnvelope(cms);
  if (!envelope.ok()) return envelope.status();
  const CdSignerSet::Signer* signer =
      trust.signers == nullptr ? nullptr : trust.signers->Find(envelope->signer_key_id);
  if (signer == nullptr || (signer->is_test && !trust.allow_test_signer)) {
    return RefuseField(Reason::CD_UNTRUSTED, "cd.signer", ToUpperHex(envelope->signer_key_id),
                       signer == nullptr ? "must be one of the trusted signers"
                                         : "must not be a test signer here");
  }
  if (!SignatureHolds(*envelope, signer->key)) {
    return RefuseField(Reason::CD_SIGNATURE, "cd.signature", "", "made by the signer it names");
  }
  absl::StatusOr<CertificationDeclaration> cd = DecodeCdContent(envelope->content);
  if (!cd.ok()) return cd.status();
  if (cd->format_version != 1) return Malformed("format version 1");
  if (cd->certification_type > CertificationDeclaration::kOfficial) {
    return Malformed("certification type 0, 1 or 2");
  }
  if (signer->is_test && cd->certification_type == CertificationDeclaration::kOfficial) {
    return RefuseField(Reason::CD_UNTRUSTED, "cd.certification_type", "2",
                       "an official declaration has no test signer");
  }
  return VerifiedCd{*std::move(cd), signer->is_test};
}

AttestationResult VerifyCdAsSdk(ByteView cms, const CdTrust& trust,
                                std::optional<CertificationDeclaration>& cd) {
  absl::StatusOr<CdEnvelope> envelope = ParseCdEnvelope(cms);
  if (envelope.ok()) {
    absl::StatusOr<CertificationDeclaration> decoded = DecodeCdContent(envelope->content);
    if (decoded.ok()) cd = *std::move(decoded);
  }
  absl::StatusOr<KeyId> key_id = CdSignerKeyId(cms);
  if (!key_id.ok()) return AttestationResult::kCdNoKeyId;
  const CdSignerSet::Signer* signer =
      trust.signers == nullptr ? nullptr : trust.signers->Find(*key_id);
  if (signer == nullptr || (signer->is_test && !trust.allow_test_signer)) {
    return AttestationResult::kCdNoCertificateFound;
  }
  if (!envelope.ok() || !SignatureHolds(*envelope, signer->key)) {
    return AttestationResult::kCdInvalidSignature;
  }
  if (!cd.has_value()) return AttestationResult::kCdInvalidFormat;
  // The test signer stands for development and provisional declarations only.
  if (signer->is_test && cd->certification_type >= CertificationDeclaration::kOfficial) {
    return AttestationResult::kCdNoCertificateFound;
  }
  if (cd->format_version != 1 || cd->certification_type > CertificationDeclaration::kOfficial) {
    return AttestationResult::kAttestationElementsMalformed;
  }
  return AttestationResult::kSuccess;
}

}  // namespace assay::matter
