#include "matter/certificate.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/der.h"
#include "matter/extension.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

constexpr size_t kMaxExtensions = 32;

bool Same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "certificate", "", rule);
}

absl::StatusOr<absl::Time> ReadTime(DerReader& reader) {
  absl::StatusOr<DerElement> element = reader.Next();
  if (!element.ok()) return element.status();
  return DecodeDerTime(element->tag, element->content);
}

// The whole next element, which must have the tag.
absl::StatusOr<ByteView> ReadWhole(DerReader& reader, uint8_t tag) {
  absl::StatusOr<DerElement> element = reader.Next();
  if (!element.ok()) return element.status();
  if (element->tag != tag) return Malformed("an element of another type than the standard's");
  return element->whole;
}

}  // namespace

absl::Time NeverExpires() {
  return absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone());
}

absl::StatusOr<Certificate> Certificate::Parse(ByteView der) {
  Certificate certificate;
  certificate.der_ = std::make_shared<const Bytes>(der.begin(), der.end());
  DerReader outer(*certificate.der_);
  absl::StatusOr<DerReader> fields = outer.Enter(kDerSequence);
  if (!fields.ok()) return fields.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  absl::StatusOr<DerElement> tbs = fields->Next();
  if (!tbs.ok()) return tbs.status();
  if (tbs->tag != kDerSequence) return Malformed("no TBSCertificate");
  certificate.tbs_ = tbs->whole;
  absl::StatusOr<ByteView> algorithm = ReadWhole(*fields, kDerSequence);
  if (!algorithm.ok()) return algorithm.status();
  certificate.outer_algorithm_ = *algorithm;
  absl::StatusOr<ByteView> bits = fields->Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  absl::StatusOr<ByteView> signature = DecodeDerOctetBits(*bits);
  if (!signature.ok()) return signature.status();
  certificate.signature_der_ = *signature;
  ASSAY_RETURN_IF_ERROR(fields->Finish());
  ASSAY_RETURN_IF_ERROR(certificate.ReadTbs(tbs->content));
  certificate.ReadKeyIds();
  certificate.subject_ids_ = IdsOfEncodedName(certificate.subject_);
  certificate.issuer_ids_ = IdsOfEncodedName(certificate.issuer_);
  return certificate;
}

absl::StatusOr<Certificate> Certificate::ParsePem(std::string_view pem) {
  absl::StatusOr<Bytes> der = FromPem("CERTIFICATE", pem);
  if (!der.ok()) return der.status();
  return Parse(*der);
}

absl::Status Certificate::ReadTbs(ByteView tbs_content) {
  DerReader tbs(tbs_content);
  if (tbs.PeekTag() == DerContextConstructed(0)) {
    absl::StatusOr<DerReader> version = tbs.Enter(DerContextConstructed(0));
    if (!version.ok()) return version.status();
    absl::StatusOr<uint64_t> value = version->ReadUint64();
    if (!value.ok()) return value.status();
    ASSAY_RETURN_IF_ERROR(version->Finish());
    if (*value > 2) return Malformed("a version above v3");
    version_ = static_cast<int>(*value) + 1;
  }
  absl::StatusOr<ByteView> serial = tbs.Expect(kDerInteger);
  if (!serial.ok()) return serial.status();
  if (serial->empty()) return Malformed("an empty serial number");
  serial_ = *serial;
  for (ByteView* whole : {&tbs_algorithm_, &issuer_}) {
    absl::StatusOr<ByteView> element = ReadWhole(tbs, kDerSequence);
    if (!element.ok()) return element.status();
    *whole = *element;
  }
  absl::StatusOr<DerReader> validity = tbs.Enter(kDerSequence);
  if (!validity.ok()) return validity.status();
  for (absl::Time* time : {&validity_.not_before, &validity_.not_after}) {
    absl::StatusOr<absl::Time> read = ReadTime(*validity);
    if (!read.ok()) return read.status();
    *time = *read;
  }
  ASSAY_RETURN_IF_ERROR(validity->Finish());
  absl::StatusOr<ByteView> subject = ReadWhole(tbs, kDerSequence);
  if (!subject.ok()) return subject.status();
  subject_ = *subject;
  absl::StatusOr<ByteView> key = tbs.Expect(kDerSequence);
  if (!key.ok()) return key.status();
  ASSAY_RETURN_IF_ERROR(ReadKey(*key));
  for (int number : {1, 2}) {  // unique identifiers, which nobody uses
    if (tbs.PeekTag() == DerContext(number)) {
      absl::StatusOr<DerElement> skipped = tbs.Next();
      if (!skipped.ok()) return skipped.status();
    }
  }
  if (tbs.PeekTag() == DerContextConstructed(3)) {
    absl::StatusOr<ByteView> extensions = tbs.Expect(DerContextConstructed(3));
    if (!extensions.ok()) return extensions.status();
    ASSAY_RETURN_IF_ERROR(ReadExtensions(*extensions));
  }
  return tbs.Finish();
}

absl::Status Certificate::ReadKey(ByteView key_content) {
  DerReader key(key_content);
  absl::StatusOr<DerReader> algorithm = key.Enter(kDerSequence);
  if (!algorithm.ok()) return algorithm.status();
  absl::StatusOr<ByteView> oid = algorithm->Expect(kDerOid);
  if (!oid.ok()) return oid.status();
  key_algorithm_ = *oid;
  if (!algorithm->AtEnd()) {
    absl::StatusOr<DerElement> parameters = algorithm->Next();
    if (!parameters.ok()) return parameters.status();
    if (parameters->tag == kDerOid) key_curve_ = parameters->content;
    ASSAY_RETURN_IF_ERROR(algorithm->Finish());
  }
  absl::StatusOr<ByteView> bits = key.Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  absl::StatusOr<ByteView> octets = DecodeDerOctetBits(*bits);
  if (!octets.ok()) return octets.status();
  public_key_ = *octets;
  return key.Finish();
}

absl::Status Certificate::ReadExtensions(ByteView content) {
  DerReader wrapper(content);
  absl::StatusOr<DerReader> list = wrapper.Enter(kDerSequence);
  if (!list.ok()) return list.status();
  ASSAY_RETURN_IF_ERROR(wrapper.Finish());
  extensions_.reserve(4);
  while (!list->AtEnd()) {
    if (extensions_.size() == kMaxExtensions) return Malformed("more than 32 extensions");
    absl::StatusOr<Extension> extension = ReadExtension(*list);
    if (!extension.ok()) return extension.status();
    extensions_.push_back(*extension);
  }
  return absl::OkStatus();
}

void Certificate::ReadKeyIds() {
  if (const Extension* extension = Find(kOidSubjectKeyId)) {
    DerReader reader(extension->value);
    absl::StatusOr<ByteView> id = reader.Expect(kDerOctetString);
    if (id.ok() && reader.AtEnd()) subject_key_id_ = *id;
  }
  if (const Extension* extension = Find(kOidAuthorityKeyId)) {
    DerReader reader(extension->value);
    absl::StatusOr<DerReader> fields = reader.Enter(kDerSequence);
    if (fields.ok() && reader.AtEnd() && fields->PeekTag() == DerContext(0)) {
      absl::StatusOr<ByteView> id = fields->Expect(DerContext(0));
      if (id.ok()) authority_key_id_ = *id;
    }
  }
}

std::string Certificate::ToPem() const { return matter::ToPem("CERTIFICATE", *der_); }

std::string Certificate::SerialText() const {
  ByteView magnitude = serial_;
  while (magnitude.size() > 1 && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  return ToUpperHex(magnitude);
}

bool Certificate::IsP256() const {
  return Same(key_algorithm_, kOidEcPublicKey) && Same(key_curve_, kOidPrime256v1) &&
         public_key_.size() == kP256PointSize && public_key_[0] == 0x04;
}

absl::StatusOr<RawSignature> Certificate::raw_signature() const {
  return SignatureFromDer(signature_der_);
}

size_t Certificate::CountOf(ByteView oid) const {
  return static_cast<size_t>(
      std::ranges::count_if(extensions_, [&](const Extension& e) { return Same(e.oid, oid); }));
}

const Extension* Certificate::Find(ByteView oid) const {
  const auto at =
      std::ranges::find_if(extensions_, [&](const Extension& e) { return Same(e.oid, oid); });
  return at == extensions_.end() ? nullptr : &*at;
}

absl::StatusOr<std::optional<BasicConstraints>> Certificate::basic_constraints() const {
  const Extension* extension = Find(kOidBasicConstraints);
  if (extension == nullptr) return std::optional<BasicConstraints>();
  DerReader outer(extension->value);
  absl::StatusOr<DerReader> fields = outer.Enter(kDerSequence);
  if (!fields.ok()) return fields.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  BasicConstraints constraints;
  if (fields->PeekTag() == kDerBoolean) {
    absl::StatusOr<bool> ca = fields->ReadBoolean();
    if (!ca.ok()) return ca.status();
    constraints.ca = *ca;
  }
  if (fields->PeekTag() == kDerInteger) {
    absl::StatusOr<uint64_t> path_len = fields->ReadUint64();
    if (!path_len.ok()) return path_len.status();
    if (*path_len > 255) return Malformed("a path length above 255");
    constraints.path_len = static_cast<uint32_t>(*path_len);
  }
  ASSAY_RETURN_IF_ERROR(fields->Finish());
  return std::optional<BasicConstraints>(constraints);
}

absl::StatusOr<std::optional<uint16_t>> Certificate::key_usage() const {
  const Extension* extension = Find(kOidKeyUsage);
  if (extension == nullptr) return std::optional<uint16_t>();
  DerReader outer(extension->value);
  absl::StatusOr<ByteView> bits = outer.Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  if (bits->size() < 1 || bits->size() > 3 || (*bits)[0] > 7) return Malformed("no key usage");
  uint16_t usage = 0;
  for (size_t bit = 0; bit < (bits->size() - 1) * 8; ++bit) {
    if ((*bits)[1 + bit / 8] & (0x80 >> bit % 8)) usage |= static_cast<uint16_t>(1 << bit);
  }
  return std::optional<uint16_t>(usage);
}

bool Certificate::IsSignedBy(const Certificate& issuer) const {
  if (!issuer.IsP256()) return false;
  absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(issuer.public_key());
  absl::StatusOr<RawSignature> signature = raw_signature();
  return key.ok() && signature.ok() && key->VerifyMessage(tbs_, *signature);
}

}  // namespace assay::matter
