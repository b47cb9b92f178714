#include "client/show.h"

#include "assay/v1/catalog.pb.h"
#include "client/numbers.h"
#include "client/progress.h"
#include "gtest/gtest.h"

namespace assay::client {
namespace {

TEST(ShowTest, ColumnsLineUpAlsoWithUmlauts) {
  EXPECT_EQ(RenderTable({"a", "b"}, {{"äö", "1"}, {"x"}}), "a   b\n--  -\näö  1\nx\n");
}

TEST(ShowTest, IdsAreHexAndEnumsAreWords) {
  v1::Product product;
  product.mutable_spec()->set_vendor_id(0x131B);
  product.mutable_spec()->mutable_dac()->set_attestation(v1::ATTESTATION_SERVER_KEY);
  const std::string text = MessageText(product);
  EXPECT_NE(text.find("vendor_id: 0x131b"), std::string::npos) << text;
  EXPECT_NE(text.find("attestation: server-key"), std::string::npos) << text;
}

TEST(ShowTest, ADigestIsShownInItsOwnDigits) {
  v1::ImageFile image;
  image.set_sha256(std::string(32, '\xAB'));
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "ab";
  EXPECT_NE(MessageText(image).find("sha256: " + digits), std::string::npos) << MessageText(image);
}

TEST(ShowTest, JsonHasTheContractsNames) {
  v1::Lot lot;
  lot.set_name("L1");
  EXPECT_NE(MessageJson(lot).find("\"opened_at\"") == std::string::npos, false);
  EXPECT_NE(MessageJsonLine(lot).find("\"name\":\"L1\""), std::string::npos);
}

TEST(NumbersTest, AnyBaseIsRead) {
  EXPECT_EQ(ParseUnsigned("0x131B"), 0x131Bu);
  EXPECT_EQ(ParseUnsigned("0o17"), 15u);
  EXPECT_EQ(ParseUnsigned("4096"), 4096u);
  EXPECT_EQ(ParseSigned("-1"), -1);
  for (const char* text : {"", "x", "1x", "-1", "0x", "99999999999999999999"}) {
    EXPECT_FALSE(ParseUnsigned(text)) << text;
  }
}

TEST(ProgressTest, TheLineTellsCountRateAndTimeLeft) {
  EXPECT_EQ(ProgressLine({50, 100, 25.0, std::chrono::seconds(2)}),
            "[############------------]      50/100    25.0/s  0:02 left");
}

}  // namespace
}  // namespace assay::client
