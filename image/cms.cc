#include "image/cms.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/der.h"
#include "matter/ecdsa.h"
#include "matter/name.h"
#include "matter/oid.h"
#include "matter/tbs.h"
#include "matter/utf8.h"

namespace assay::image {
namespace {

using matter::EncodeDer;
using matter::kDerOid;
using matter::kDerSequence;
using matter::kDerSet;

// SEQUENCE { oid }, no parameters (RFC 5754 2, RFC 5758 3.2).
Bytes Algorithm(ByteView oid) { return EncodeDer(kDerSequence, EncodeDer(kDerOid, oid)); }

absl::Status NotOurs() {
  return Refuse(Reason::IMAGE_MALFORMED, "cms: not a detached signature of the form made here");
}

struct CmsParts {
  ByteView certificate;
  ByteView signature_der;
};

// Finds certificate and signature; whether all the rest is right is seen by making the same bytes
// again.
absl::StatusOr<CmsParts> TakeParts(ByteView cms_der) {
  CmsParts parts;
  matter::DerReader outer(cms_der);
  auto info = outer.Enter(kDerSequence);
  if (!info.ok()) return NotOurs();
  auto type = info->Expect(kDerOid);
  auto wrapped = info->Enter(matter::DerContextConstructed(0));
  if (!type.ok() || !wrapped.ok()) return NotOurs();
  auto signed_data = wrapped->Enter(kDerSequence);
  if (!signed_data.ok()) return NotOurs();
  for (const uint8_t tag : {matter::kDerInteger, kDerSet, kDerSequence}) {
    if (!signed_data->Expect(tag).ok()) return NotOurs();
  }
  auto certificates = signed_data->Expect(matter::DerContextConstructed(0));
  auto signers = signed_data->Enter(kDerSet);
  if (!certificates.ok() || !signers.ok()) return NotOurs();
  parts.certificate = *certificates;
  auto signer = signers->Enter(kDerSequence);
  if (!signer.ok()) return NotOurs();
  for (const uint8_t tag : {matter::kDerInteger, kDerSequence, kDerSequence, kDerSequence}) {
    if (!signer->Expect(tag).ok()) return NotOurs();
  }
  auto signature = signer->Expect(matter::kDerOctetString);
  if (!signature.ok()) return NotOurs();
  parts.signature_der = *signature;
  return parts;
}

bool MayDelegate(const matter::Certificate& signer) {
  const auto constraints = signer.basic_constraints();
  const auto usage = signer.key_usage();
  return constraints.ok() && constraints->has_value() && (*constraints)->ca && usage.ok() &&
         usage->has_value() && (**usage & matter::kKeyCertSign) != 0;
}

// A certificate that `signer` issued for signing images and nothing else.
bool IsDelegateOf(const matter::Certificate& delegate, const matter::Certificate& signer) {
  const auto constraints = delegate.basic_constraints();
  const auto usage = delegate.key_usage();
  const matter::Validity& validity = delegate.validity();
  const auto raw = delegate.raw_signature();
  // No byte of it that the signature does not cover may be otherwise.
  if (!raw.ok() ||
      !std::ranges::equal(matter::AssembleCertificate(delegate.tbs(), *raw), delegate.der())) {
    return false;
  }
  return MayDelegate(signer) && std::ranges::equal(delegate.issuer(), signer.subject()) &&
         std::ranges::equal(delegate.authority_key_id(), signer.subject_key_id()) &&
         constraints.ok() && constraints->has_value() && !(*constraints)->ca && usage.ok() &&
         usage->has_value() && **usage == matter::kDigitalSignature &&
         validity.not_after - validity.not_before <= kDelegateLife && delegate.IsSignedBy(signer);
}

}  // namespace

absl::StatusOr<DetachedCmsTemplate> DetachedCmsTemplate::Make(ByteView signer_certificate_der) {
  const auto signer = matter::Certificate::Parse(signer_certificate_der);
  if (!signer.ok()) return Within("signer_certificate", signer.status());
  const Bytes one = matter::EncodeDerUint64(1);
  const Bytes sha256 = Algorithm(matter::kOidSha256);
  const Bytes ecdsa = Algorithm(matter::kOidEcdsaSha256);
  const Bytes signer_id =
      EncodeDer(kDerSequence, {signer->issuer(), matter::EncodeDerUnsigned(signer->serial())});
  const Bytes content = EncodeDer(kDerSequence, EncodeDer(kDerOid, matter::kOidCmsData));
  DetachedCmsTemplate made;
  made.certificate_ = ToBytes(signer_certificate_der);
  for (const ByteView part :
       {ByteView(one), ByteView(signer_id), ByteView(sha256), ByteView(ecdsa)}) {
    made.signer_head_.insert(made.signer_head_.end(), part.begin(), part.end());
  }
  const Bytes digests = EncodeDer(kDerSet, sha256);
  const Bytes certificates = EncodeDer(matter::DerContextConstructed(0), signer_certificate_der);
  for (const ByteView part :
       {ByteView(one), ByteView(digests), ByteView(content), ByteView(certificates)}) {
    made.head_.insert(made.head_.end(), part.begin(), part.end());
  }
  return made;
}

absl::StatusOr<Bytes> DetachedCmsTemplate::Fill(ByteView raw_signature64) const {
  if (raw_signature64.size() != matter::kRawSignatureSize) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "signature", "", "must be 64 bytes, r then s");
  }
  const Bytes signature =
      EncodeDer(matter::kDerOctetString, matter::SignatureToDer(raw_signature64));
  const Bytes signer_info = EncodeDer(kDerSequence, {signer_head_, signature});
  const Bytes signed_data = EncodeDer(kDerSequence, {head_, EncodeDer(kDerSet, signer_info)});
  return EncodeDer(kDerSequence, {EncodeDer(kDerOid, matter::kOidCmsSignedData),
                                  EncodeDer(matter::DerContextConstructed(0), signed_data)});
}

absl::StatusOr<Bytes> AssembleDetachedCms(ByteView signer_certificate_der,
                                          ByteView raw_signature64) {
  const auto form = DetachedCmsTemplate::Make(signer_certificate_der);
  if (!form.ok()) return form.status();
  return form->Fill(raw_signature64);
}

absl::Status VerifyDetachedCmsDigest(ByteView cms_der, const Sha256Digest& content_digest,
                                     ByteView signer_certificate_der) {
  const auto parts = TakeParts(cms_der);
  if (!parts.ok()) return parts.status();
  const auto signer = matter::Certificate::Parse(signer_certificate_der);
  if (!signer.ok()) return Within("signer_certificate", signer.status());
  auto named = *signer;
  if (!std::ranges::equal(parts->certificate, signer_certificate_der)) {
    auto other = matter::Certificate::Parse(parts->certificate);
    if (!other.ok() || !IsDelegateOf(*other, *signer)) {
      return Refuse(Reason::VERIFY_FAILED, "cms: signed by another certificate");
    }
    named = *std::move(other);
  }
  const auto raw = matter::SignatureFromDer(parts->signature_der);
  if (!raw.ok()) return NotOurs();
  const auto again = AssembleDetachedCms(named.der(), *raw);
  if (!again.ok()) return again.status();
  if (!std::ranges::equal(*again, cms_der)) return NotOurs();
  const auto verifier = matter::SignatureVerifier::Make(named.public_key());
  if (!verifier.ok()) return Within("signer_certificate", verifier.status());
  if (!verifier->Verify(content_digest, *raw)) {
    return Refuse(Reason::VERIFY_FAILED, "cms: the signature is not over these bytes");
  }
  return absl::OkStatus();
}

absl::Status VerifyDetachedCms(ByteView cms_der, ByteView content,
                               ByteView signer_certificate_der) {
  return VerifyDetachedCmsDigest(cms_der, Sha256(content), signer_certificate_der);
}

absl::StatusOr<Bytes> EncodeImageSignerTbs(const ImageSignerFields& fields) {
  if (fields.common_name.empty() || fields.common_name.size() > 64 ||
      !matter::IsUtf8(fields.common_name)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "common_name", fields.common_name,
                       "1 to 64 bytes of UTF-8");
  }
  if (fields.serial_number.empty() || fields.serial_number.size() > 20 ||
      fields.serial_number[0] > 0x7F ||
      std::all_of(fields.serial_number.begin(), fields.serial_number.end(),
                  [](uint8_t b) { return b == 0; })) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "serial_number", ToHex(fields.serial_number),
                       "1 to 20 bytes, positive");
  }
  const auto point = matter::CheckP256Point(fields.public_key);
  if (!point.ok()) return Within("public_key", point.status());
  if (fields.not_after <= fields.not_before) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "not_after", "", "must be later than not_before");
  }
  const Bytes name =
      matter::EncodeName(matter::MatterName(fields.common_name, std::nullopt, std::nullopt));
  const matter::KeyId key_id = matter::KeyIdOf(fields.public_key);
  matter::TbsFields tbs;
  tbs.serial = fields.serial_number;
  tbs.issuer = name;
  tbs.subject = name;
  tbs.validity.not_before = fields.not_before;
  tbs.validity.not_after = std::min(fields.not_after, matter::NeverExpires());
  tbs.public_key = fields.public_key;
  tbs.basic_constraints = {true, 0};
  tbs.key_usage = matter::kDigitalSignature | matter::kKeyCertSign;
  tbs.authority_key_id = key_id;
  return matter::EncodeTbs(tbs);
}

absl::Status CheckMayDelegate(ByteView signer_certificate_der) {
  const auto signer = matter::Certificate::Parse(signer_certificate_der);
  if (!signer.ok()) return signer.status();
  if (MayDelegate(*signer)) return absl::OkStatus();
  return Refuse(Reason::FIELD_NOT_ALLOWED,
                "the image certificate may not certify a delegate: it is no CA; have the image "
                "key's certificate made anew");
}

absl::StatusOr<Bytes> EncodeImageDelegateTbs(ByteView signer_certificate_der,
                                             const ImageDelegateFields& fields) {
  ASSAY_RETURN_IF_ERROR(CheckMayDelegate(signer_certificate_der));
  const auto signer = matter::Certificate::Parse(signer_certificate_der);
  const auto point = matter::CheckP256Point(fields.public_key);
  if (!point.ok()) return Within("public_key", point.status());
  if (fields.not_after <= fields.not_before ||
      fields.not_after - fields.not_before > kDelegateLife) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "not_after", "",
                       "must be within a day after not_before");
  }
  const Bytes subject =
      matter::EncodeName(matter::MatterName("Assay image delegate", std::nullopt, std::nullopt));
  matter::TbsFields tbs;
  tbs.serial = fields.serial_number;
  tbs.issuer = signer->subject();
  tbs.subject = subject;
  tbs.validity = {fields.not_before, fields.not_after};
  tbs.public_key = fields.public_key;
  tbs.key_usage = matter::kDigitalSignature;
  tbs.authority_key_id = signer->subject_key_id();
  return matter::EncodeTbs(tbs);
}

absl::StatusOr<Bytes> AssembleImageSignerCertificate(ByteView tbs, ByteView raw_signature64) {
  if (raw_signature64.size() != matter::kRawSignatureSize) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "signature", "", "must be 64 bytes, r then s");
  }
  return matter::AssembleCertificate(tbs, raw_signature64);
}

}  // namespace assay::image
