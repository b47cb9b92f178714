#include "matter/der.h"

#include <array>
#include <charconv>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"

namespace assay::matter {
namespace {

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "der", "", rule);
}

// As people call it; a number where it has no name here.
std::string TagName(uint8_t tag) {
  switch (tag) {
    case 0x01:
      return "a BOOLEAN";
    case 0x02:
      return "an INTEGER";
    case 0x03:
      return "a BIT STRING";
    case 0x04:
      return "an OCTET STRING";
    case 0x06:
      return "an OBJECT IDENTIFIER";
    case 0x0C:
      return "a UTF8String";
    case 0x13:
      return "a PrintableString";
    case 0x17:
      return "a UTCTime";
    case 0x18:
      return "a GeneralizedTime";
    case 0x30:
      return "a SEQUENCE";
    case 0x31:
      return "a SET";
    default:
      return absl::StrFormat("an element with tag 0x%02X", tag);
  }
}

// Two decimal digits, or nothing.
std::optional<int> TwoDigits(ByteView text, size_t at) {
  if (text[at] < '0' || text[at] > '9' || text[at + 1] < '0' || text[at + 1] > '9') {
    return std::nullopt;
  }
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

size_t LengthSize(size_t length) {
  if (length < 0x80) return 1;
  size_t size = 1;
  for (; length != 0; length >>= 8) ++size;
  return size;
}

void AppendHeader(Bytes& out, uint8_t tag, size_t length) {
  out.push_back(tag);
  if (length < 0x80) {
    out.push_back(static_cast<uint8_t>(length));
    return;
  }
  const size_t octets = LengthSize(length) - 1;
  out.push_back(static_cast<uint8_t>(0x80 | octets));
  for (size_t i = octets; i-- > 0;) out.push_back(static_cast<uint8_t>(length >> (8 * i)));
}

void AppendBase128(Bytes& out, uint64_t value) {
  std::array<uint8_t, 10> digits{};
  size_t count = 0;
  do {
    digits[count++] = static_cast<uint8_t>(value & 0x7F);
    value >>= 7;
  } while (value != 0);
  while (count-- > 0) out.push_back(static_cast<uint8_t>(digits[count] | (count != 0 ? 0x80 : 0)));
}

}  // namespace

std::optional<uint8_t> DerReader::PeekTag() const {
  if (rest_.empty()) return std::nullopt;
  return rest_[0];
}

absl::StatusOr<DerElement> DerReader::Next() {
  if (rest_.size() < 2) return Malformed("an element ends before its length");
  const uint8_t tag = rest_[0];
  if ((tag & 0x1F) == 0x1F) return Malformed("a tag number above 30");
  size_t header = 2;
  size_t length = rest_[1];
  if (length >= 0x80) {
    const size_t octets = length & 0x7F;
    if (octets == 0 || octets > 4) return Malformed("an indefinite or oversized length");
    if (rest_.size() < 2 + octets) return Malformed("an element ends within its length");
    length = 0;
    for (size_t i = 0; i < octets; ++i) length = length << 8 | rest_[2 + i];
    if (LengthSize(length) != octets + 1) return Malformed("a length that is not minimal");
    header += octets;
  }
  if (rest_.size() - header < length) return Malformed("an element is longer than its input");
  DerElement element{tag, rest_.subspan(header, length), rest_.first(header + length)};
  rest_ = rest_.subspan(header + length);
  return element;
}

absl::StatusOr<ByteView> DerReader::Expect(uint8_t tag) {
  if (PeekTag() != tag) {
    return Malformed(
        rest_.empty() ? absl::StrCat(TagName(tag), " is missing")
                      : absl::StrFormat("%s is where %s belongs", TagName(rest_[0]), TagName(tag)));
  }
  absl::StatusOr<DerElement> element = Next();
  if (!element.ok()) return element.status();
  return element->content;
}

absl::StatusOr<DerReader> DerReader::Enter(uint8_t tag) {
  absl::StatusOr<ByteView> content = Expect(tag);
  if (!content.ok()) return content.status();
  return DerReader(*content);
}

absl::StatusOr<bool> DerReader::ReadBoolean() {
  absl::StatusOr<ByteView> content = Expect(kDerBoolean);
  if (!content.ok()) return content.status();
  return DecodeDerBoolean(*content);
}

absl::StatusOr<uint64_t> DerReader::ReadUint64() {
  absl::StatusOr<ByteView> content = Expect(kDerInteger);
  if (!content.ok()) return content.status();
  return DecodeDerUint64(*content);
}

absl::Status DerReader::Finish() const {
  return rest_.empty() ? absl::OkStatus() : Malformed("bytes follow the last element");
}

absl::StatusOr<ByteView> DecodeDerUnsigned(ByteView content) {
  if (content.empty()) return Malformed("an empty INTEGER");
  if (content[0] & 0x80) return Malformed("a negative INTEGER");
  if (content.size() > 1 && content[0] == 0) {
    if (!(content[1] & 0x80)) return Malformed("an INTEGER that is not minimal");
    return content.subspan(1);
  }
  return content;
}

absl::StatusOr<uint64_t> DecodeDerUint64(ByteView content) {
  absl::StatusOr<ByteView> magnitude = DecodeDerUnsigned(content);
  if (!magnitude.ok()) return magnitude.status();
  if (magnitude->size() > 8) return Malformed("an INTEGER above 64 bits");
  uint64_t value = 0;
  for (uint8_t octet : *magnitude) value = value << 8 | octet;
  return value;
}

absl::StatusOr<bool> DecodeDerBoolean(ByteView content) {
  if (content.size() != 1 || (content[0] != 0x00 && content[0] != 0xFF)) {
    return Malformed("a BOOLEAN that is neither 00 nor FF");
  }
  return content[0] == 0xFF;
}

absl::StatusOr<ByteView> DecodeDerOctetBits(ByteView content) {
  if (content.empty() || content[0] != 0) return Malformed("a BIT STRING with unused bits");
  return content.subspan(1);
}

absl::StatusOr<absl::Time> DecodeDerTime(uint8_t tag, ByteView content) {
  const size_t year_digits = tag == kDerUtcTime ? 2 : 4;
  if ((tag != kDerUtcTime && tag != kDerGeneralizedTime) || content.size() != year_digits + 11 ||
      content.back() != 'Z') {
    return Malformed("a time that is neither YYMMDDHHMMSSZ nor YYYYMMDDHHMMSSZ");
  }
  int fields[7] = {};
  for (size_t i = 0; i < year_digits / 2 + 5; ++i) {
    std::optional<int> digits = TwoDigits(content, 2 * i);
    if (!digits.has_value()) return Malformed("a time with a character that is no digit");
    fields[i + (tag == kDerUtcTime ? 1 : 0)] = *digits;
  }
  const int year = tag == kDerUtcTime ? fields[1] + (fields[1] >= 50 ? 1900 : 2000)
                                      : fields[0] * 100 + fields[1];
  const absl::CivilSecond civil(year, fields[2], fields[3], fields[4], fields[5], fields[6]);
  // CivilSecond carries overflowing fields over; a time that changed was none.
  if (civil.year() != year || civil.month() != fields[2] || civil.day() != fields[3] ||
      civil.hour() != fields[4] || civil.minute() != fields[5] || civil.second() != fields[6]) {
    return Malformed("a time that does not exist");
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

void AppendDer(Bytes& out, uint8_t tag, ByteView content) {
  AppendHeader(out, tag, content.size());
  Append(out, content);
}

Bytes EncodeDer(uint8_t tag, ByteView content) { return EncodeDer(tag, {content}); }

Bytes EncodeDer(uint8_t tag, std::initializer_list<ByteView> parts) {
  size_t length = 0;
  for (ByteView part : parts) length += part.size();
  Bytes out;
  out.reserve(1 + LengthSize(length) + length);
  AppendHeader(out, tag, length);
  for (ByteView part : parts) Append(out, part);
  return out;
}

Bytes EncodeDerUnsigned(ByteView big_endian) {
  while (!big_endian.empty() && big_endian[0] == 0) big_endian = big_endian.subspan(1);
  static constexpr uint8_t kZero[] = {0};
  if (big_endian.empty()) return EncodeDer(kDerInteger, ByteView(kZero));
  if (big_endian[0] & 0x80) return EncodeDer(kDerInteger, {ByteView(kZero), big_endian});
  return EncodeDer(kDerInteger, big_endian);
}

Bytes EncodeDerUint64(uint64_t value) {
  std::array<uint8_t, 8> octets{};
  for (int i = 7; i >= 0; --i, value >>= 8) octets[i] = static_cast<uint8_t>(value);
  return EncodeDerUnsigned(octets);
}

Bytes EncodeDerOctetBits(ByteView octets) {
  static constexpr uint8_t kNoUnusedBits[] = {0};
  return EncodeDer(kDerBitString, {ByteView(kNoUnusedBits), octets});
}

Bytes EncodeDerTime(absl::Time time) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  const bool utc = civil.year() >= 1950 && civil.year() < 2050;
  char text[32];
  const int size = utc ? std::snprintf(text, sizeof(text), "%02d%02d%02d%02d%02d%02dZ",
                                       static_cast<int>(civil.year() % 100), civil.month(),
                                       civil.day(), civil.hour(), civil.minute(), civil.second())
                       : std::snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02dZ",
                                       static_cast<int>(civil.year()), civil.month(), civil.day(),
                                       civil.hour(), civil.minute(), civil.second());
  return EncodeDer(utc ? kDerUtcTime : kDerGeneralizedTime,
                   AsBytes({text, static_cast<size_t>(size)}));
}

absl::StatusOr<Bytes> OidFromText(std::string_view dotted) {
  std::vector<uint64_t> arcs;
  const char* at = dotted.data();
  const char* const end = at + dotted.size();
  while (true) {
    uint64_t arc = 0;
    const auto [next, error] = std::from_chars(at, end, arc);
    if (error != std::errc() || arc > UINT32_MAX) return Malformed("not an object identifier");
    arcs.push_back(arc);
    if (next == end) break;
    if (*next != '.') return Malformed("not an object identifier");
    at = next + 1;
  }
  if (arcs.size() < 2 || arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39)) {
    return Malformed("not an object identifier");
  }
  Bytes oid;
  AppendBase128(oid, arcs[0] * 40 + arcs[1]);
  for (size_t i = 2; i < arcs.size(); ++i) AppendBase128(oid, arcs[i]);
  return oid;
}

std::string OidToText(ByteView oid) {
  std::string text;
  uint64_t arc = 0;
  for (uint8_t octet : oid) {
    arc = arc << 7 | (octet & 0x7F);
    if (octet & 0x80) continue;
    if (text.empty()) {
      const uint64_t first = arc < 80 ? arc / 40 : 2;
      absl::StrAppend(&text, first, ".", arc - first * 40);
    } else {
      absl::StrAppend(&text, ".", arc);
    }
    arc = 0;
  }
  return text;
}

}  // namespace assay::matter
