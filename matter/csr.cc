#include "matter/csr.h"

#include <algorithm>
#include <string_view>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/der.h"
#include "matter/name.h"
#include "matter/oid.h"
#include "matter/tbs.h"

namespace assay::matter {
namespace {

constexpr uint8_t kEcdsaSha256Algorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr uint8_t kP256Algorithm[] = {0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                      0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
                                      0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::CSR_MALFORMED, "csr", "", rule);
}

// Any refusal of the DER reader becomes the CSR's own reason.
absl::Status AsCsr(const absl::Status& status) {
  const std::optional<Refusal> refusal = RefusalOf(status);
  return Malformed(refusal.has_value() ? refusal->rule : "not readable");
}

struct CsrParts {
  ByteView info;  // whole CertificationRequestInfo
  ByteView subject;
  ByteView algorithm;  // of the key
  ByteView point;
  ByteView signature_algorithm;
  ByteView signature;
};

absl::StatusOr<DerElement> NextOf(DerReader& reader, uint8_t tag) {
  absl::StatusOr<DerElement> element = reader.Next();
  if (element.ok() && element->tag != tag) return Malformed("an element of another type");
  return element;
}

absl::Status SplitInfo(ByteView content, CsrParts& parts) {
  DerReader info(content);
  absl::StatusOr<uint64_t> version = info.ReadUint64();
  if (!version.ok()) return version.status();
  if (*version != 0) return Malformed("version is v1");
  absl::StatusOr<DerElement> subject = NextOf(info, kDerSequence);
  if (!subject.ok()) return subject.status();
  parts.subject = subject->whole;
  ASSAY_RETURN_IF_ERROR(DecodeName(parts.subject).status());
  absl::StatusOr<DerReader> key = info.Enter(kDerSequence);
  if (!key.ok()) return key.status();
  absl::StatusOr<DerElement> algorithm = NextOf(*key, kDerSequence);
  if (!algorithm.ok()) return algorithm.status();
  parts.algorithm = algorithm->whole;
  absl::StatusOr<ByteView> bits = key->Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  absl::StatusOr<ByteView> point = DecodeDerOctetBits(*bits);
  if (!point.ok()) return point.status();
  parts.point = *point;
  ASSAY_RETURN_IF_ERROR(key->Finish());
  // RFC 2986 asks for the attributes even when empty; some tools leave them out.
  if (info.AtEnd()) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(info.Expect(DerContextConstructed(0)).status());
  return info.Finish();
}

absl::StatusOr<CsrParts> Split(ByteView der) {
  CsrParts parts;
  DerReader outer(der);
  absl::StatusOr<DerReader> request = outer.Enter(kDerSequence);
  if (!request.ok()) return request.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  absl::StatusOr<DerElement> info = NextOf(*request, kDerSequence);
  if (!info.ok()) return info.status();
  parts.info = info->whole;
  ASSAY_RETURN_IF_ERROR(SplitInfo(info->content, parts));
  absl::StatusOr<DerElement> algorithm = NextOf(*request, kDerSequence);
  if (!algorithm.ok()) return algorithm.status();
  parts.signature_algorithm = algorithm->whole;
  absl::StatusOr<ByteView> bits = request->Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  absl::StatusOr<ByteView> signature = DecodeDerOctetBits(*bits);
  if (!signature.ok()) return signature.status();
  parts.signature = *signature;
  ASSAY_RETURN_IF_ERROR(request->Finish());
  return parts;
}

}  // namespace

absl::StatusOr<Csr> ParseCsr(ByteView der, size_t max_size) {
  if (der.size() > max_size) {
    return RefuseField(Reason::CSR_TOO_LARGE, "csr", std::to_string(der.size()),
                       "at most " + std::to_string(max_size) + " bytes");
  }
  absl::StatusOr<CsrParts> parts = Split(der);
  if (!parts.ok()) return AsCsr(parts.status());
  if (!std::ranges::equal(parts->algorithm, kP256Algorithm)) {
    return RefuseField(Reason::CSR_CURVE, "csr.public_key", "", "a named key on prime256v1");
  }
  absl::StatusOr<P256Point> point = CheckP256Point(parts->point);
  if (!point.ok()) {
    return RefuseField(Reason::CSR_CURVE, "csr.public_key", "",
                       "an uncompressed point of 65 bytes on prime256v1");
  }
  if (!std::ranges::equal(parts->signature_algorithm, kEcdsaSha256Algorithm)) {
    return RefuseField(Reason::CSR_SIGNATURE, "csr.signature_algorithm", "", "ecdsa-with-SHA256");
  }
  absl::StatusOr<RawSignature> signature = SignatureFromDer(parts->signature);
  absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(*point);
  if (!signature.ok() || !key.ok() || !key->VerifyMessage(parts->info, *signature)) {
    return RefuseField(Reason::CSR_SIGNATURE, "csr.signature", "", "made by the request's own key");
  }
  return Csr{*point, ToBytes(parts->subject)};
}

absl::StatusOr<Bytes> CsrDerFrom(ByteView der_or_pem) {
  if (!AsText(der_or_pem).starts_with("-----BEGIN ")) return ToBytes(der_or_pem);
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    absl::StatusOr<Bytes> der = FromPem(label, AsText(der_or_pem));
    if (der.ok()) return der;
  }
  return Malformed("a PEM block CERTIFICATE REQUEST");
}

Bytes EncodeCsrInfo(ByteView subject, ByteView point) {
  const Bytes version = EncodeDerUint64(0);
  const Bytes bits = EncodeDerOctetBits(point);
  const Bytes key = EncodeDer(kDerSequence, {ByteView(kP256Algorithm), ByteView(bits)});
  const Bytes attributes = EncodeDer(DerContextConstructed(0), ByteView());
  return EncodeDer(kDerSequence, {ByteView(version), subject, ByteView(key), ByteView(attributes)});
}

Bytes AssembleCsr(ByteView info, ByteView raw_signature) {
  return AssembleCertificate(info, raw_signature);
}

}  // namespace assay::matter
