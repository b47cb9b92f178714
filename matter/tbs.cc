#include "matter/tbs.h"

#include <algorithm>
#include <bit>

#include "base/refusal.h"
#include "matter/certificate_format.h"
#include "matter/der.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

constexpr uint8_t kVersion3[] = {0xA0, 0x03, 0x02, 0x01, 0x02};
constexpr uint8_t kEcdsaSha256Algorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr uint8_t kTrue[] = {0xFF};

Bytes EncodeExtension(ByteView oid, bool critical, ByteView value) {
  const Bytes oid_der = EncodeDer(kDerOid, oid);
  const Bytes critical_der = critical ? EncodeDer(kDerBoolean, ByteView(kTrue)) : Bytes();
  const Bytes value_der = EncodeDer(kDerOctetString, value);
  return EncodeDer(kDerSequence, {ByteView(oid_der), ByteView(critical_der), ByteView(value_der)});
}

Bytes EncodeBasicConstraints(const BasicConstraints& constraints) {
  const Bytes ca = constraints.ca ? EncodeDer(kDerBoolean, ByteView(kTrue)) : Bytes();
  const Bytes path_len =
      constraints.path_len.has_value() ? EncodeDerUint64(*constraints.path_len) : Bytes();
  return EncodeDer(kDerSequence, {ByteView(ca), ByteView(path_len)});
}

// Named bits: trailing zero bits are left out (X.690 11.2.2).
Bytes EncodeKeyUsage(uint16_t usage) {
  Bytes bits;
  const int count = std::bit_width(usage);
  bits.push_back(static_cast<uint8_t>((8 - count % 8) % 8));
  for (int octet = 0; octet * 8 < count; ++octet) {
    uint8_t value = 0;
    for (int bit = 0; bit < 8; ++bit) {
      if (usage >> (octet * 8 + bit) & 1) value |= static_cast<uint8_t>(0x80 >> bit);
    }
    bits.push_back(value);
  }
  return EncodeDer(kDerBitString, bits);
}

Bytes EncodePublicKey(ByteView point) {
  const Bytes algorithm_oid = EncodeDer(kDerOid, kOidEcPublicKey);
  const Bytes curve_oid = EncodeDer(kDerOid, kOidPrime256v1);
  const Bytes algorithm = EncodeDer(kDerSequence, {ByteView(algorithm_oid), ByteView(curve_oid)});
  const Bytes bits = EncodeDerOctetBits(point);
  return EncodeDer(kDerSequence, {ByteView(algorithm), ByteView(bits)});
}

Bytes EncodeExtensions(const TbsFields& fields) {
  const KeyId computed = KeyIdOf(fields.public_key);
  const ByteView own_id =
      fields.subject_key_id.empty() ? ByteView(computed) : fields.subject_key_id;
  Bytes list;
  Append(list, EncodeExtension(kOidBasicConstraints, true,
                               EncodeBasicConstraints(fields.basic_constraints)));
  Append(list, EncodeExtension(kOidKeyUsage, true, EncodeKeyUsage(fields.key_usage)));
  Append(list, EncodeExtension(kOidSubjectKeyId, false, EncodeDer(kDerOctetString, own_id)));
  if (!fields.authority_key_id.empty()) {
    const Bytes id = EncodeDer(DerContext(0), fields.authority_key_id);
    Append(list, EncodeExtension(kOidAuthorityKeyId, false, EncodeDer(kDerSequence, id)));
  }
  for (const Bytes& extension : fields.more_extensions) Append(list, extension);
  return EncodeDer(DerContextConstructed(3), EncodeDer(kDerSequence, list));
}

absl::Status CheckAuthority(const AuthorityRequest& request, Reason reason) {
  ASSAY_RETURN_IF_ERROR(CheckCommonName("common_name", request.common_name));
  if (request.serial.empty() || request.serial.size() > 20 || (request.serial[0] & 0x80) ||
      std::ranges::all_of(request.serial, [](uint8_t octet) { return octet == 0; })) {
    return RefuseField(reason, "serial", "", "positive, at most 20 octets");
  }
  if (request.validity.not_after <= request.validity.not_before) {
    return RefuseField(reason, "validity", "", "must end after it begins");
  }
  return CheckP256Point(request.public_key).status();
}

}  // namespace

Bytes EncodeTbs(const TbsFields& fields) {
  const Bytes serial = EncodeDerUnsigned(fields.serial);
  const Bytes not_before = EncodeDerTime(fields.validity.not_before);
  const Bytes not_after = EncodeDerTime(fields.validity.not_after);
  const Bytes validity = EncodeDer(kDerSequence, {ByteView(not_before), ByteView(not_after)});
  const Bytes key = EncodePublicKey(fields.public_key);
  const Bytes extensions = EncodeExtensions(fields);
  return EncodeDer(
      kDerSequence,
      {ByteView(kVersion3), ByteView(serial), ByteView(kEcdsaSha256Algorithm), fields.issuer,
       ByteView(validity), fields.subject, ByteView(key), ByteView(extensions)});
}

Bytes AssembleCertificate(ByteView tbs, ByteView raw_signature) {
  const Bytes signature = EncodeDerOctetBits(SignatureToDer(raw_signature));
  return EncodeDer(kDerSequence, {tbs, ByteView(kEcdsaSha256Algorithm), ByteView(signature)});
}

absl::StatusOr<Bytes> EncodePaaTbs(const AuthorityRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckAuthority(request, Reason::FIELD_OUT_OF_RANGE));
  if (request.pid.has_value()) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "pid", IdToText(*request.pid),
                       "a PAA carries no product id");
  }
  const Bytes name = EncodeName(MatterName(request.common_name, request.vid, std::nullopt));
  const KeyId id = KeyIdOf(request.public_key);
  return EncodeTbs({.serial = request.serial,
                    .issuer = name,
                    .validity = request.validity,
                    .subject = name,
                    .public_key = request.public_key,
                    .basic_constraints = {true, 1},
                    .key_usage = kKeyCertSign | kCrlSign,
                    .subject_key_id = {},
                    .authority_key_id = id,
                    .more_extensions = {}});
}

absl::StatusOr<Bytes> EncodePaiTbs(const AuthorityRequest& request, const Certificate& paa) {
  ASSAY_RETURN_IF_ERROR(CheckAuthority(request, Reason::PAI_INVALID));
  if (!request.vid.has_value()) {
    return RefuseField(Reason::PAI_INVALID, "vid", "", "a PAI is bound to one vendor");
  }
  const Findings findings = CheckFormat(paa, Role::kPaa);
  if (!findings.empty()) {
    return RefuseField(Reason::PAI_INVALID, findings[0].field, "", findings[0].rule);
  }
  if (!paa.subject_ids().ok()) return paa.subject_ids().status();
  if (paa.subject_ids()->vid.has_value() && paa.subject_ids()->vid != request.vid) {
    return RefuseField(Reason::PAI_INVALID, "vid", IdToText(*request.vid),
                       "the PAA is bound to another vendor");
  }
  if (!paa.validity().Contains(request.validity.not_before)) {
    return RefuseField(Reason::PAI_INVALID, "validity", "", "must begin while the PAA is valid");
  }
  const Bytes name = EncodeName(MatterName(request.common_name, request.vid, request.pid));
  return EncodeTbs({.serial = request.serial,
                    .issuer = paa.subject(),
                    .validity = request.validity,
                    .subject = name,
                    .public_key = request.public_key,
                    .basic_constraints = {true, 0},
                    .key_usage = kKeyCertSign | kCrlSign,
                    .subject_key_id = {},
                    .authority_key_id = paa.subject_key_id(),
                    .more_extensions = {}});
}

}  // namespace assay::matter
