#include "matter/crl.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/der.h"
#include "matter/extension.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

constexpr uint8_t kEcdsaSha256Algorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr uint8_t kTrue[] = {0xFF};
constexpr size_t kMaxNumberSize = 20;

bool Same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "crl", "", rule);
}

Bytes EncodeExtension(ByteView oid, bool critical, ByteView value) {
  const Bytes oid_der = EncodeDer(kDerOid, oid);
  const Bytes critical_der = critical ? EncodeDer(kDerBoolean, ByteView(kTrue)) : Bytes();
  const Bytes value_der = EncodeDer(kDerOctetString, value);
  return EncodeDer(kDerSequence, {ByteView(oid_der), ByteView(critical_der), ByteView(value_der)});
}

Bytes EncodeEntries(const std::vector<RevokedEntry>& entries) {
  Bytes list;
  const Bytes* issuer_in_force = nullptr;
  for (const RevokedEntry& entry : entries) {
    const Bytes serial = EncodeDerUnsigned(entry.serial);
    const Bytes time = EncodeDerTime(entry.revoked_at);
    Bytes extensions;
    if (!entry.certificate_issuer.empty() &&
        (issuer_in_force == nullptr || *issuer_in_force != entry.certificate_issuer)) {
      issuer_in_force = &entry.certificate_issuer;
      const Bytes name = EncodeDer(DerContextConstructed(4), entry.certificate_issuer);
      extensions = EncodeDer(kDerSequence, EncodeExtension(kOidCertificateIssuer, true,
                                                           EncodeDer(kDerSequence, name)));
    }
    Append(list, EncodeDer(kDerSequence, {ByteView(serial), ByteView(time), ByteView(extensions)}));
  }
  return list.empty() ? Bytes() : EncodeDer(kDerSequence, list);
}

Bytes EncodeIdp(const CrlFields& fields) {
  const Bytes uri = EncodeDer(DerContext(6), AsBytes(fields.idp_uri));
  const Bytes full_name = EncodeDer(DerContextConstructed(0), uri);
  const Bytes point = EncodeDer(DerContextConstructed(0), full_name);
  const Bytes indirect = fields.indirect ? EncodeDer(DerContext(4), ByteView(kTrue)) : Bytes();
  return EncodeExtension(kOidIssuingDistributionPoint, true,
                         EncodeDer(kDerSequence, {ByteView(point), ByteView(indirect)}));
}

absl::Status CheckFields(const CrlFields& fields) {
  if (fields.next_update <= fields.this_update)
    return Malformed("nextUpdate must come after thisUpdate");
  if (fields.authority_key_id.size() != KeyId{}.size()) return Malformed("an AKID of 20 bytes");
  if (fields.crl_number.empty() || fields.crl_number.size() > kMaxNumberSize) {
    return Malformed("a number of 1 to 20 octets");
  }
  if (fields.indirect && fields.idp_uri.empty()) return Malformed("an indirect list has a URI");
  for (const RevokedEntry& entry : fields.entries) {
    if (entry.serial.empty()) return Malformed("entries have serials");
    if (!fields.indirect && !entry.certificate_issuer.empty()) {
      return Malformed("only an indirect list names certificate issuers");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> ReadTime(DerReader& reader) {
  absl::StatusOr<DerElement> element = reader.Next();
  if (!element.ok()) return element.status();
  return DecodeDerTime(element->tag, element->content);
}

// Name of the one directoryName in GeneralNames.
absl::StatusOr<Bytes> ReadIssuerName(ByteView value) {
  DerReader outer(value);
  absl::StatusOr<DerReader> names = outer.Enter(kDerSequence);
  if (!names.ok()) return names.status();
  absl::StatusOr<ByteView> name = names->Expect(DerContextConstructed(4));
  if (!name.ok()) return name.status();
  ASSAY_RETURN_IF_ERROR(names->Finish());
  return ToBytes(*name);
}

absl::Status ReadEntry(DerReader& list, Bytes& issuer_in_force, CrlFields& crl) {
  absl::StatusOr<DerReader> fields = list.Enter(kDerSequence);
  if (!fields.ok()) return fields.status();
  RevokedEntry entry;
  absl::StatusOr<ByteView> content = fields->Expect(kDerInteger);
  if (!content.ok()) return content.status();
  absl::StatusOr<ByteView> serial = DecodeDerUnsigned(*content);
  if (!serial.ok()) return serial.status();
  entry.serial = ToBytes(*serial);
  absl::StatusOr<absl::Time> revoked_at = ReadTime(*fields);
  if (!revoked_at.ok()) return revoked_at.status();
  entry.revoked_at = *revoked_at;
  if (!fields->AtEnd()) {
    absl::StatusOr<DerReader> extensions = fields->Enter(kDerSequence);
    if (!extensions.ok()) return extensions.status();
    while (!extensions->AtEnd()) {
      absl::StatusOr<Extension> extension = ReadExtension(*extensions);
      if (!extension.ok()) return extension.status();
      if (Same(extension->oid, kOidCertificateIssuer)) {
        absl::StatusOr<Bytes> name = ReadIssuerName(extension->value);
        if (!name.ok()) return name.status();
        issuer_in_force = *std::move(name);
      } else if (extension->critical) {
        return Malformed("no unknown critical entry extension");
      }
    }
    ASSAY_RETURN_IF_ERROR(fields->Finish());
  }
  entry.certificate_issuer = issuer_in_force;
  crl.entries.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::Status ReadIdp(ByteView value, CrlFields& crl) {
  DerReader outer(value);
  absl::StatusOr<DerReader> fields = outer.Enter(kDerSequence);
  if (!fields.ok()) return fields.status();
  absl::StatusOr<DerReader> point = fields->Enter(DerContextConstructed(0));
  if (!point.ok()) return point.status();
  absl::StatusOr<DerReader> full_name = point->Enter(DerContextConstructed(0));
  if (!full_name.ok()) return full_name.status();
  absl::StatusOr<ByteView> uri = full_name->Expect(DerContext(6));
  if (!uri.ok()) return uri.status();
  if (!full_name->AtEnd()) return Malformed("exactly one URI in the distribution point");
  crl.idp_uri = ToText(*uri);
  if (fields->PeekTag() == DerContext(4)) {
    absl::StatusOr<DerElement> indirect = fields->Next();
    if (!indirect.ok()) return indirect.status();
    crl.indirect = Same(indirect->content, kTrue);
  }
  return fields->Finish();
}

absl::Status ReadExtensions(ByteView content, CrlFields& crl) {
  DerReader wrapper(content);
  absl::StatusOr<DerReader> list = wrapper.Enter(kDerSequence);
  if (!list.ok()) return list.status();
  while (!list->AtEnd()) {
    absl::StatusOr<Extension> extension = ReadExtension(*list);
    if (!extension.ok()) return extension.status();
    DerReader value(extension->value);
    if (Same(extension->oid, kOidAuthorityKeyId)) {
      absl::StatusOr<DerReader> fields = value.Enter(kDerSequence);
      if (!fields.ok()) return fields.status();
      absl::StatusOr<ByteView> id = fields->Expect(DerContext(0));
      if (!id.ok()) return id.status();
      crl.authority_key_id = ToBytes(*id);
    } else if (Same(extension->oid, kOidCrlNumber)) {
      absl::StatusOr<ByteView> number = value.Expect(kDerInteger);
      if (!number.ok()) return number.status();
      absl::StatusOr<ByteView> magnitude = DecodeDerUnsigned(*number);
      if (!magnitude.ok()) return magnitude.status();
      crl.crl_number = ToBytes(*magnitude);
    } else if (Same(extension->oid, kOidIssuingDistributionPoint)) {
      ASSAY_RETURN_IF_ERROR(ReadIdp(extension->value, crl));
    } else if (extension->critical) {
      return Malformed("no unknown critical extension");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadTbs(ByteView content, CrlFields& crl) {
  DerReader tbs(content);
  absl::StatusOr<uint64_t> version = tbs.ReadUint64();
  if (!version.ok()) return version.status();
  if (*version != 1) return Malformed("v2");
  absl::StatusOr<DerElement> algorithm = tbs.Next();
  if (!algorithm.ok()) return algorithm.status();
  if (!Same(algorithm->whole, kEcdsaSha256Algorithm)) return Malformed("ecdsa-with-SHA256");
  absl::StatusOr<DerElement> issuer = tbs.Next();
  if (!issuer.ok()) return issuer.status();
  if (issuer->tag != kDerSequence) return Malformed("an issuer name");
  crl.issuer = ToBytes(issuer->whole);
  for (absl::Time* time : {&crl.this_update, &crl.next_update}) {
    absl::StatusOr<absl::Time> read = ReadTime(tbs);
    if (!read.ok()) return read.status();
    *time = *read;
  }
  if (tbs.PeekTag() == kDerSequence) {
    absl::StatusOr<DerReader> entries = tbs.Enter(kDerSequence);
    if (!entries.ok()) return entries.status();
    Bytes issuer_in_force;
    while (!entries->AtEnd()) {
      ASSAY_RETURN_IF_ERROR(ReadEntry(*entries, issuer_in_force, crl));
    }
  }
  absl::StatusOr<ByteView> extensions = tbs.Expect(DerContextConstructed(0));
  if (!extensions.ok()) return extensions.status();
  ASSAY_RETURN_IF_ERROR(ReadExtensions(*extensions, crl));
  ASSAY_RETURN_IF_ERROR(tbs.Finish());
  return CheckFields(crl);
}

}  // namespace

absl::StatusOr<Bytes> EncodeCrlTbs(const CrlFields& fields) {
  ASSAY_RETURN_IF_ERROR(CheckFields(fields));
  const Bytes version = EncodeDerUint64(1);
  const Bytes this_update = EncodeDerTime(fields.this_update);
  const Bytes next_update = EncodeDerTime(fields.next_update);
  const Bytes entries = EncodeEntries(fields.entries);
  const Bytes key_id = EncodeDer(DerContext(0), fields.authority_key_id);
  Bytes extensions = EncodeExtension(kOidAuthorityKeyId, false, EncodeDer(kDerSequence, key_id));
  Append(extensions, EncodeExtension(kOidCrlNumber, false, EncodeDerUnsigned(fields.crl_number)));
  if (!fields.idp_uri.empty()) Append(extensions, EncodeIdp(fields));
  const Bytes tail = EncodeDer(DerContextConstructed(0), EncodeDer(kDerSequence, extensions));
  return EncodeDer(kDerSequence, {ByteView(version), ByteView(kEcdsaSha256Algorithm),
                                  ByteView(fields.issuer), ByteView(this_update),
                                  ByteView(next_update), ByteView(entries), ByteView(tail)});
}

absl::StatusOr<Crl> ParseCrl(ByteView der) {
  Crl crl;
  crl.der = ToBytes(der);
  DerReader outer(crl.der);
  absl::StatusOr<DerReader> list = outer.Enter(kDerSequence);
  if (!list.ok()) return list.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  absl::StatusOr<DerElement> tbs = list->Next();
  if (!tbs.ok()) return tbs.status();
  if (tbs->tag != kDerSequence) return Malformed("a TBSCertList");
  crl.tbs = ToBytes(tbs->whole);
  absl::StatusOr<DerElement> algorithm = list->Next();
  if (!algorithm.ok()) return algorithm.status();
  if (!Same(algorithm->whole, kEcdsaSha256Algorithm)) return Malformed("ecdsa-with-SHA256");
  absl::StatusOr<ByteView> bits = list->Expect(kDerBitString);
  if (!bits.ok()) return bits.status();
  ASSAY_RETURN_IF_ERROR(list->Finish());
  absl::StatusOr<ByteView> signature = DecodeDerOctetBits(*bits);
  if (!signature.ok()) return signature.status();
  absl::StatusOr<RawSignature> raw = SignatureFromDer(*signature);
  if (!raw.ok()) return raw.status();
  crl.signature = *raw;
  ASSAY_RETURN_IF_ERROR(ReadTbs(tbs->content, crl.fields));
  return crl;
}

absl::Status CheckCrlSigner(const Crl& crl, const Certificate& signer) {
  if (!Same(crl.fields.issuer, signer.subject())) return Malformed("issued by the signer's name");
  if (!Same(crl.fields.authority_key_id, signer.subject_key_id())) {
    return Malformed("the authority key id must be the signer's subject key id");
  }
  const auto usage = signer.key_usage();
  if (!usage.ok() || !usage->has_value() || !(**usage & kCrlSign)) {
    return Malformed("the signer may sign CRLs");
  }
  absl::StatusOr<SignatureVerifier> key = SignatureVerifier::Make(signer.public_key());
  if (!key.ok() || !signer.IsP256() || !key->VerifyMessage(crl.tbs, crl.signature)) {
    return Malformed("signed by the signer's key");
  }
  return absl::OkStatus();
}

absl::Status CheckDelegatedCrlSigner(const Certificate& signer, const Certificate& issuer) {
  const auto constraints = signer.basic_constraints();
  if (!constraints.ok() || !constraints->has_value() || (**constraints).ca ||
      !signer.Find(kOidBasicConstraints)->critical) {
    return Malformed("a delegated signer is no authority");
  }
  const auto usage = signer.key_usage();
  if (!usage.ok() || !usage->has_value() || !signer.Find(kOidKeyUsage)->critical ||
      (**usage & ~kDigitalSignature) != kCrlSign) {
    return Malformed("a delegated signer has cRLSign, digitalSignature at most beside it");
  }
  if (signer.version() != 3 || !signer.IsP256() ||
      signer.subject_key_id().size() != KeyId{}.size()) {
    return Malformed("a delegated signer is a v3 certificate on P-256 with a subject key id");
  }
  if (!Same(signer.issuer(), issuer.subject()) ||
      !Same(signer.authority_key_id(), issuer.subject_key_id()) || !signer.IsSignedBy(issuer)) {
    return Malformed("a delegated signer's certificate is made by the authority it signs for");
  }
  return absl::OkStatus();
}

}  // namespace assay::matter
