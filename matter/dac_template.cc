#include "matter/dac_template.h"

#include <algorithm>

#include "base/refusal.h"
#include "matter/certificate_format.h"
#include "matter/der.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

constexpr uint8_t kVersion3[] = {0xA0, 0x03, 0x02, 0x01, 0x02};
constexpr uint8_t kEcdsaSha256Algorithm[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
// SubjectPublicKeyInfo of a P-256 key up to the 65 bytes of its point.
constexpr uint8_t kKeyPrefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                  0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                  0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
// BasicConstraints (critical, empty), KeyUsage (critical, digitalSignature), and
// SubjectKeyIdentifier up to its 20 bytes.
constexpr uint8_t kExtensionsUpToKeyId[] = {
    0x30, 0x0C, 0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00,
    0x30, 0x0E, 0x06, 0x03, 0x55, 0x1D, 0x0F, 0x01, 0x01, 0xFF, 0x04, 0x04, 0x03, 0x02,
    0x07, 0x80, 0x30, 0x1D, 0x06, 0x03, 0x55, 0x1D, 0x0E, 0x04, 0x16, 0x04, 0x14};
constexpr size_t kMaxSerialSize = 20;
constexpr size_t kMaxNameSize = 200;  // what the SDK can hold of a DN

absl::Status UnfitPai(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return RefuseField(Reason::PAI_INVALID, field, value, rule);
}

absl::Status CheckPaiFor(const Certificate& pai, uint16_t vid, uint16_t pid) {
  const Findings findings = CheckFormat(pai, Role::kPai);
  if (!findings.empty()) return UnfitPai(findings[0].field, "", findings[0].rule);
  if (!pai.subject_ids().ok()) return Within("pai", pai.subject_ids().status());
  const NameIds& ids = *pai.subject_ids();
  if (ids.vid != vid) {
    return UnfitPai("pai.vid", ids.vid.has_value() ? IdToText(*ids.vid) : "none",
                    "the PAI is bound to the product's vendor id");
  }
  if (ids.pid.has_value() && ids.pid != pid) {
    return UnfitPai("pai.pid", IdToText(*ids.pid), "the PAI is bound to another product id");
  }
  return absl::OkStatus();
}

// A RelativeDistinguishedName of one UTF8String attribute.
Bytes EncodeRelativeName(ByteView oid, std::string_view value) {
  const Bytes oid_der = EncodeDer(kDerOid, oid);
  const Bytes value_der = EncodeDer(kDerUtf8String, AsBytes(value));
  return EncodeDer(kDerSet, EncodeDer(kDerSequence, {ByteView(oid_der), ByteView(value_der)}));
}

absl::Status CheckSerial(ByteView serial) {
  if (serial.empty() || serial.size() > kMaxSerialSize || (serial[0] & 0x80) ||
      std::ranges::all_of(serial, [](uint8_t octet) { return octet == 0; })) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "serial", "", "positive, at most 20 octets");
  }
  return absl::OkStatus();
}

size_t HeaderSize(size_t length) { return length < 0x80 ? 2 : length < 0x100 ? 3 : 4; }

void AppendHeader(Bytes& out, uint8_t tag, size_t length) {
  out.push_back(tag);
  if (length >= 0x100) {
    out.push_back(0x82);
    out.push_back(static_cast<uint8_t>(length >> 8));
  } else if (length >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<uint8_t>(length));
}

}  // namespace

DacEnd DacEnd::Never() { return {Kind::kNever, NeverExpires()}; }
DacEnd DacEnd::WithPai() { return {Kind::kWithPai, NeverExpires()}; }
DacEnd DacEnd::At(absl::Time time) { return {Kind::kAt, time}; }

absl::StatusOr<absl::Time> DacEnd::For(const Certificate& pai) const {
  if (kind_ == Kind::kNever) return NeverExpires();
  if (kind_ == Kind::kWithPai) return pai.validity().not_after;
  if (!pai.validity().Contains(time_)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "dac_end",
                       absl::FormatTime(time_, absl::UTCTimeZone()), "within the PAI's validity");
  }
  return time_;
}

absl::StatusOr<DacTemplate> DacTemplate::Make(const Certificate& pai, uint16_t vid, uint16_t pid,
                                              const DacEnd& end) {
  ASSAY_RETURN_IF_ERROR(CheckPaiFor(pai, vid, pid));
  absl::StatusOr<absl::Time> not_after = end.For(pai);
  if (!not_after.ok()) return not_after.status();
  DacTemplate made;
  made.not_after_ = *not_after;
  made.not_after_der_ = EncodeDerTime(*not_after);
  made.issuer_ = ToBytes(ByteView(kEcdsaSha256Algorithm));
  Append(made.issuer_, pai.subject());
  made.ids_ = EncodeRelativeName(kOidVendorId, IdToText(vid));
  Append(made.ids_, EncodeRelativeName(kOidProductId, IdToText(pid)));
  made.key_prefix_ = ToBytes(ByteView(kKeyPrefix));
  const Bytes id = EncodeDer(DerContext(0), pai.subject_key_id());
  const Bytes oid = EncodeDer(kDerOid, kOidAuthorityKeyId);
  const Bytes value = EncodeDer(kDerOctetString, EncodeDer(kDerSequence, id));
  made.authority_ = EncodeDer(kDerSequence, {ByteView(oid), ByteView(value)});
  const size_t list = sizeof(kExtensionsUpToKeyId) + KeyId{}.size() + made.authority_.size();
  AppendHeader(made.extensions_head_, DerContextConstructed(3), HeaderSize(list) + list);
  AppendHeader(made.extensions_head_, kDerSequence, list);
  Append(made.extensions_head_, ByteView(kExtensionsUpToKeyId));
  return made;
}

absl::StatusOr<Bytes> DacTemplate::Fill(const DacFields& fields) const {
  ASSAY_RETURN_IF_ERROR(CheckSerial(fields.serial));
  if (!fields.common_name.empty()) {
    ASSAY_RETURN_IF_ERROR(CheckCommonName("common_name", fields.common_name));
  }
  if (fields.public_key.size() != kP256PointSize) {
    return RefuseField(Reason::FIELD_MALFORMED, "public_key", "", "a point of 65 bytes");
  }
  if (fields.not_before >= not_after_) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "not_before",
                       absl::FormatTime(fields.not_before, absl::UTCTimeZone()),
                       "before the DAC's end");
  }
  const Bytes serial = EncodeDerUnsigned(fields.serial);
  const Bytes not_before = EncodeDerTime(fields.not_before);
  Bytes subject;
  if (!fields.common_name.empty()) {
    subject = EncodeRelativeName(kOidCommonName, fields.common_name);
  }
  Append(subject, ids_);
  if (subject.size() > kMaxNameSize) {
    return RefuseField(Reason::FIELD_TOO_LONG, "common_name", "", "a subject of 200 bytes at most");
  }
  const size_t validity = not_before.size() + not_after_der_.size();
  const size_t content = sizeof(kVersion3) + serial.size() + issuer_.size() + 2 + validity +
                         HeaderSize(subject.size()) + subject.size() + key_prefix_.size() +
                         kP256PointSize + extensions_head_.size() + KeyId{}.size() +
                         authority_.size();
  Bytes tbs;
  tbs.reserve(HeaderSize(content) + content);
  AppendHeader(tbs, kDerSequence, content);
  Append(tbs, ByteView(kVersion3));
  Append(tbs, serial);
  Append(tbs, issuer_);
  AppendHeader(tbs, kDerSequence, validity);
  Append(tbs, not_before);
  Append(tbs, not_after_der_);
  AppendHeader(tbs, kDerSequence, subject.size());
  Append(tbs, subject);
  Append(tbs, key_prefix_);
  Append(tbs, fields.public_key);
  Append(tbs, extensions_head_);
  Append(tbs, KeyIdOf(fields.public_key));
  Append(tbs, authority_);
  return tbs;
}

Bytes DrawDacSerial(Random& random) {
  Bytes serial = random.Draw(kMaxSerialSize);
  // 01..7F: positive without a pad, and never shorter than it was drawn.
  serial[0] &= 0x7F;
  if (serial[0] == 0) serial[0] = 0x01;
  return serial;
}

absl::StatusOr<absl::Time> ChooseDacNotBefore(absl::Time now, absl::Duration skew,
                                              const Certificate& pai, const Certificate* paa) {
  absl::Time not_before = now - skew;
  for (const Certificate* issuer : {&pai, paa}) {
    if (issuer == nullptr) continue;
    if (!issuer->validity().Contains(now)) {
      return RefuseField(Reason::PAI_NOT_ACTIVE, issuer == paa ? "paa.validity" : "pai.validity",
                         absl::FormatTime(now, absl::UTCTimeZone()),
                         "the present lies within it; check the clock");
    }
    not_before = std::max(not_before, issuer->validity().not_before);
  }
  // Certificates know whole seconds only.
  return absl::FromUnixSeconds(absl::ToUnixSeconds(not_before));
}

}  // namespace assay::matter
