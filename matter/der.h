// DER (X.690) as Matter's certificates need it: a strict reader and plain encoders. Pure,
// thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"

namespace assay::matter {

// Identifier octets. Matter's formats need no tag number above 30.
inline constexpr uint8_t kDerBoolean = 0x01;
inline constexpr uint8_t kDerInteger = 0x02;
inline constexpr uint8_t kDerBitString = 0x03;
inline constexpr uint8_t kDerOctetString = 0x04;
inline constexpr uint8_t kDerNull = 0x05;
inline constexpr uint8_t kDerOid = 0x06;
inline constexpr uint8_t kDerUtf8String = 0x0C;
inline constexpr uint8_t kDerPrintableString = 0x13;
inline constexpr uint8_t kDerIa5String = 0x16;
inline constexpr uint8_t kDerUtcTime = 0x17;
inline constexpr uint8_t kDerGeneralizedTime = 0x18;
inline constexpr uint8_t kDerSequence = 0x30;
inline constexpr uint8_t kDerSet = 0x31;
constexpr uint8_t DerContext(int number) { return static_cast<uint8_t>(0x80 | number); }
constexpr uint8_t DerContextConstructed(int number) { return static_cast<uint8_t>(0xA0 | number); }

// One element. The views point into the reader's input, which must outlive them.
struct DerElement {
  uint8_t tag = 0;
  ByteView content;
  ByteView whole;  // with identifier and length octets
};

// Walks the elements of one level. Every refusal is FIELD_MALFORMED and names the offence:
// indefinite or non-minimal length, high tag number, an element longer than its input, an
// unexpected tag.
class DerReader {
 public:
  explicit DerReader(ByteView input) : rest_(input) {}

  bool AtEnd() const { return rest_.empty(); }
  // Tag of the next element; nothing at the end.
  std::optional<uint8_t> PeekTag() const;
  absl::StatusOr<DerElement> Next();
  // The next element's content when its tag is `tag`; a refusal otherwise.
  absl::StatusOr<ByteView> Expect(uint8_t tag);
  absl::StatusOr<DerReader> Enter(uint8_t tag);
  // The next element as a BOOLEAN, or as an INTEGER of 0..2^64-1.
  absl::StatusOr<bool> ReadBoolean();
  absl::StatusOr<uint64_t> ReadUint64();
  // Refuses when bytes are left on this level.
  absl::Status Finish() const;

 private:
  ByteView rest_;
};

// Content of an INTEGER: minimal, not negative; the result has no leading zero octet (zero itself
// is 00).
absl::StatusOr<ByteView> DecodeDerUnsigned(ByteView content);
absl::StatusOr<uint64_t> DecodeDerUint64(ByteView content);
// Content of a BOOLEAN: 00 or FF only.
absl::StatusOr<bool> DecodeDerBoolean(ByteView content);
// Whole BIT STRING whose bits fill whole octets (keys, signatures).
absl::StatusOr<ByteView> DecodeDerOctetBits(ByteView content);
// UTCTime "YYMMDDHHMMSSZ" (50..99 are 19xx) or GeneralizedTime "YYYYMMDDHHMMSSZ".
absl::StatusOr<absl::Time> DecodeDerTime(uint8_t tag, ByteView content);

Bytes EncodeDer(uint8_t tag, ByteView content);
// Parts one after another inside one element.
Bytes EncodeDer(uint8_t tag, std::initializer_list<ByteView> parts);
void AppendDer(Bytes& out, uint8_t tag, ByteView content);
// INTEGER from a big-endian magnitude: leading zeros dropped, a 00 put before a high bit.
Bytes EncodeDerUnsigned(ByteView big_endian);
Bytes EncodeDerUint64(uint64_t value);
// BIT STRING of whole octets.
Bytes EncodeDerOctetBits(ByteView octets);
// Seconds resolution, fractions cut off; UTCTime for 1950..2049, GeneralizedTime otherwise (RFC
// 5280 4.1.2.5).
Bytes EncodeDerTime(absl::Time time);

// OID content octets from and to dotted text. Text that is no OID is FIELD_MALFORMED.
absl::StatusOr<Bytes> OidFromText(std::string_view dotted);
std::string OidToText(ByteView oid);

}  // namespace assay::matter
