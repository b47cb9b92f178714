#include "base/bytes.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(Bytes, HexRoundTripsAndRefusesWhatIsNotHex) {
  EXPECT_EQ(ToHex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(ToUpperHex(Bytes{0x00, 0xab, 0xff}), "00ABFF");
  EXPECT_EQ(*FromHex("00aBfF"), (Bytes{0x00, 0xab, 0xff}));
  EXPECT_FALSE(FromHex("abc").ok());
  EXPECT_FALSE(FromHex("zz").ok());
}

TEST(Bytes, Base64IsStrict) {
  EXPECT_EQ(ToBase64(AsBytes("Assay")), "QXNzYXk=");
  EXPECT_EQ(ToText(*FromBase64("QXNzYXk=")), "Assay");
  EXPECT_FALSE(FromBase64("QXNzYXk").ok());
  EXPECT_FALSE(FromBase64("QXNz YXk=").ok());
  EXPECT_FALSE(FromBase64("QXNzYXl=").ok());  // an unused bit is set
}

TEST(Bytes, DigestsMatchKnownAnswers) {
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha1(AsBytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace assay
