#include "matter/der.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "matter/ecdsa.h"

namespace assay::matter {
namespace {

Bytes Hex(const char* text) { return *FromHex(text); }

absl::Status ReadOne(const Bytes& der) {
  DerReader reader(der);
  absl::StatusOr<DerElement> element = reader.Next();
  return element.ok() ? reader.Finish() : element.status();
}

TEST(DerReader, RefusesWhatIsNotStrictDer) {
  EXPECT_TRUE(ReadOne(Hex("0400")).ok());
  EXPECT_TRUE(ReadOne(Hex("040155")).ok());
  for (const char* bad :
       {"", "04", "040155aa", "04025500ff",
        "0481"
        "0155",
        "048000", "0482000155", "0485000000000155", "1f0101", "04827fff00", "0484ffffffff00"}) {
    EXPECT_TRUE(HasReason(ReadOne(Hex(bad)), Reason::FIELD_MALFORMED)) << bad;
  }
}

TEST(DerReader, NamesTheElementThatIsMissing) {
  const Bytes der = Hex("0400");
  DerReader reader(der);
  EXPECT_FALSE(reader.Expect(kDerSequence).ok());
  EXPECT_TRUE(reader.Expect(kDerOctetString).ok());
  EXPECT_FALSE(reader.Expect(kDerOctetString).ok());
}

TEST(Der, NumbersAreMinimalBothWays) {
  EXPECT_EQ(EncodeDerUint64(0), Hex("020100"));
  EXPECT_EQ(EncodeDerUint64(127), Hex("02017f"));
  EXPECT_EQ(EncodeDerUint64(128), Hex("02020080"));
  EXPECT_EQ(EncodeDerUint64(65536), Hex("0203010000"));
  EXPECT_EQ(EncodeDerUnsigned(Hex("0000ff")), Hex("020200ff"));
  EXPECT_EQ(*DecodeDerUint64(Hex("0080")), 128u);
  for (const char* bad : {"", "80", "0001",
                          "00"
                          "00"}) {
    EXPECT_FALSE(DecodeDerUnsigned(Hex(bad)).ok()) << bad;
  }
  EXPECT_FALSE(DecodeDerUint64(Hex("010000000000000000")).ok());
}

TEST(Der, LengthsOfOneTwoAndThreeOctetsComeBack) {
  for (size_t size : {0u, 1u, 127u, 128u, 255u, 256u, 65535u, 65536u}) {
    const Bytes der = EncodeDer(kDerOctetString, Bytes(size, 0x5A));
    DerReader reader(der);
    EXPECT_EQ(reader.Expect(kDerOctetString)->size(), size);
    EXPECT_TRUE(reader.Finish().ok());
  }
}

TEST(Der, TimesTurnOverIn2050) {
  const auto utc = absl::UTCTimeZone();
  const absl::Time last = absl::FromCivil(absl::CivilSecond(2049, 12, 31, 23, 59, 59), utc);
  EXPECT_EQ(EncodeDerTime(last), Hex("170d3439313233313233353935395a"));
  EXPECT_EQ(EncodeDerTime(last + absl::Milliseconds(999)), EncodeDerTime(last));
  EXPECT_EQ(EncodeDerTime(last + absl::Seconds(1)), Hex("180f32303530303130313030303030305a"));
  for (absl::Time time : {last, last + absl::Seconds(1)}) {
    const Bytes der = EncodeDerTime(time);
    DerReader reader(der);
    const DerElement element = *reader.Next();
    EXPECT_EQ(*DecodeDerTime(element.tag, element.content), time);
  }
  EXPECT_FALSE(DecodeDerTime(kDerUtcTime, AsBytes("210229000000Z")).ok());
  EXPECT_FALSE(DecodeDerTime(kDerUtcTime, AsBytes("2102280000Z")).ok());
  EXPECT_FALSE(DecodeDerTime(kDerUtcTime, AsBytes("210228000060Z")).ok());
  EXPECT_FALSE(DecodeDerTime(kDerGeneralizedTime, AsBytes("20210228000000+")).ok());
}

TEST(Der, ObjectIdentifiersComeBackAsText) {
  for (const char* text : {"1.3.6.1.4.1.37244.2.1", "2.5.29.35", "2.999.3", "0.9"}) {
    EXPECT_EQ(OidToText(*OidFromText(text)), text);
  }
  EXPECT_EQ(*OidFromText("1.3.6.1.4.1.37244.2.1"), Hex("2b0601040182a27c0201"));
  for (const char* bad : {"", "1", "1..2", "1.40", "3.1", "1.2.", "a.b"}) {
    EXPECT_FALSE(OidFromText(bad).ok()) << bad;
  }
}

TEST(Ecdsa, SignaturesTurnBetweenRawAndDer) {
  Bytes raw(64, 0);
  raw[31] = 1;
  raw[32] = 0x80;
  const Bytes der = SignatureToDer(raw);
  EXPECT_EQ(ToHex(der), "3026020101022100" + std::string("80") + std::string(62, '0'));
  EXPECT_EQ(ToBytes(*SignatureFromDer(der)), raw);
  EXPECT_FALSE(SignatureFromDer(Hex("3006020101020101"
                                    "00"))
                   .ok());
  EXPECT_FALSE(SignatureFromDer(Hex("3007020101"
                                    "02020001"))
                   .ok());
  EXPECT_FALSE(SignatureFromDer(Hex("3003020101")).ok());
}

TEST(Ecdsa, OnlyPointsOnTheCurveAreKeys) {
  const Bytes generator =
      Hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb"
          "4a7c0f"
          "9e162bce33576b315ececbb6406837bf51f5");
  EXPECT_TRUE(CheckP256Point(generator).ok());
  Bytes off = generator;
  off[64] ^= 1;
  EXPECT_FALSE(CheckP256Point(off).ok());
  EXPECT_FALSE(SignatureVerifier::Make(off).ok());
  EXPECT_FALSE(CheckP256Point(Bytes(65, 0)).ok());
  EXPECT_FALSE(CheckP256Point(Bytes{0x00}).ok());
  Bytes too_large(65, 0xFF);
  too_large[0] = 4;
  EXPECT_FALSE(CheckP256Point(too_large).ok());
}

}  // namespace
}  // namespace assay::matter
