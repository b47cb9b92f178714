// A certificate of Matter's PKI field by field, so that one of them can be spoiled in ways no
// encoder of ours offers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/der.h"
#include "matter/ecdsa.h"
#include "matter/name.h"
#include "matter/oid.h"

namespace assay::mutation {

struct RawExtension {
  Bytes oid;
  bool critical = false;
  Bytes value;
};

struct RawCertificate {
  int version = 2;  // v3
  Bytes signature_oid = ToBytes(matter::kOidEcdsaSha256);
  Bytes curve_oid = ToBytes(matter::kOidPrime256v1);
  Bytes serial = Bytes(20, 0x42);
  Bytes issuer, subject;  // whole Names
  absl::Time not_before, not_after;
  Bytes point;
  std::vector<RawExtension> extensions;

  RawExtension* Find(ByteView oid) {
    for (RawExtension& extension : extensions) {
      if (std::equal(extension.oid.begin(), extension.oid.end(), oid.begin(), oid.end())) {
        return &extension;
      }
    }
    return nullptr;
  }
  void Remove(ByteView oid) {
    std::erase_if(extensions, [oid](const RawExtension& extension) {
      return std::equal(extension.oid.begin(), extension.oid.end(), oid.begin(), oid.end());
    });
  }
};

inline Bytes KeyUsage(uint8_t bits, uint8_t unused) {
  return matter::EncodeDer(matter::kDerBitString, Bytes{unused, bits});
}
inline Bytes AuthorityConstraints(std::optional<uint8_t> path_len) {
  Bytes inside = {0x01, 0x01, 0xFF};
  if (path_len) Append(inside, Bytes{0x02, 0x01, *path_len});
  return matter::EncodeDer(matter::kDerSequence, inside);
}
inline Bytes SubjectKeyId(ByteView id) { return matter::EncodeDer(matter::kDerOctetString, id); }
inline Bytes AuthorityKeyId(ByteView id) {
  return matter::EncodeDer(matter::kDerSequence, matter::EncodeDer(matter::DerContext(0), id));
}

inline Bytes TimeDer(absl::Time time) {
  const std::string text = absl::FormatTime("%y%m%d%H%M%SZ", time, absl::UTCTimeZone());
  return matter::EncodeDer(matter::kDerUtcTime, AsBytes(text));
}

inline Bytes EncodeRaw(const RawCertificate& raw) {
  using namespace matter;
  const Bytes version = EncodeDer(DerContextConstructed(0),
                                  EncodeDer(kDerInteger, Bytes{static_cast<uint8_t>(raw.version)}));
  const Bytes algorithm = EncodeDer(kDerSequence, EncodeDer(kDerOid, raw.signature_oid));
  const Bytes validity = EncodeDer(kDerSequence, {TimeDer(raw.not_before), TimeDer(raw.not_after)});
  Bytes bits = {0x00};
  Append(bits, raw.point);
  const Bytes spki =
      EncodeDer(kDerSequence, {EncodeDer(kDerSequence, {EncodeDer(kDerOid, kOidEcPublicKey),
                                                        EncodeDer(kDerOid, raw.curve_oid)}),
                               EncodeDer(kDerBitString, bits)});
  Bytes list;
  for (const RawExtension& extension : raw.extensions) {
    Bytes inside = EncodeDer(kDerOid, extension.oid);
    if (extension.critical) Append(inside, Bytes{0x01, 0x01, 0xFF});
    Append(inside, EncodeDer(kDerOctetString, extension.value));
    Append(list, EncodeDer(kDerSequence, inside));
  }
  const Bytes extensions = EncodeDer(DerContextConstructed(3), EncodeDer(kDerSequence, list));
  return EncodeDer(kDerSequence, {version, EncodeDer(kDerInteger, raw.serial), algorithm,
                                  raw.issuer, validity, raw.subject, spki, extensions});
}

// The certificate, its outer algorithm as its inner one.
inline Bytes Assemble(const RawCertificate& raw, ByteView tbs, ByteView raw_signature) {
  using namespace matter;
  Bytes bits = {0x00};
  Append(bits, SignatureToDer(raw_signature));
  return EncodeDer(kDerSequence,
                   {tbs, EncodeDer(kDerSequence, EncodeDer(kDerOid, raw.signature_oid)),
                    EncodeDer(kDerBitString, bits)});
}

// Names with what MatterName does not write.
inline matter::RelativeName Attribute(ByteView oid, std::string value) {
  return {{ToBytes(oid), std::move(value), matter::kDerUtf8String}};
}
inline Bytes NameOf(std::vector<matter::RelativeName> parts) {
  return matter::EncodeName({std::move(parts)});
}

}  // namespace assay::mutation
