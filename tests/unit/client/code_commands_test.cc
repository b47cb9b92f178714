// `assay codes` and `assay image` as they are typed: answers, exit codes, JSON and files.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "client/command/run.h"
#include "client/files.h"
#include "gtest/gtest.h"
#include "image/image.h"
#include "image/qr.h"
#include "matter/onboarding.h"
#include "tests/unit/client/test_folder.h"
#include "tests/unit/image/factory_fixture.h"

namespace assay::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ran {
  int code = 0;
  std::string printed, said;
};
Ran Type(std::vector<std::string> arguments) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  Ran ran;
  ran.code = RunCommandLine(arguments);
  ran.printed = ::testing::internal::GetCapturedStdout();
  ran.said = ::testing::internal::GetCapturedStderr();
  return ran;
}
std::vector<std::string> Make(std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"codes",  "make",       "-v",       "0xFFF1",          "-p",
                                    "0x8000", "--passcode", "34970113", "--discriminator", "3840"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(CodesCommand, WhatIsMadeIsReadBackWithEveryElementOfTheExtension) {
  const Ran made = Type(Make({"--json", "--serial-number", "SN-1", "--iterations", "1000", "--salt",
                              "AAECAwQFBgcICQoLDA0ODw==", "--device-count", "3", "--timeout", "900",
                              "--vendor-text", "0x80=hall", "--vendor-number", "0x81=-5"}));
  ASSERT_EQ(made.code, 0) << made.said;
  const std::string qr = nlohmann::json::parse(made.printed)["qr_code"];
  const Ran parsed = Type({"codes", "parse", qr, "--json"});
  ASSERT_EQ(parsed.code, 0) << parsed.said;
  const auto json = nlohmann::json::parse(parsed.printed);
  EXPECT_EQ(json["vendor_id"], "0xFFF1");
  EXPECT_EQ(json["product_id"], "0x8000");
  EXPECT_EQ(json["discriminator"], "3840");
  EXPECT_EQ(json["passcode"], "34970113");
  EXPECT_EQ(json["serial_number"], "SN-1");
  EXPECT_EQ(json["iterations"], "1000");
  EXPECT_EQ(json["salt"], "AAECAwQFBgcICQoLDA0ODw==");
  EXPECT_EQ(json["device_count"], "3");
  EXPECT_EQ(json["commissioning_timeout"], "900");
  EXPECT_EQ(json["vendor_0x80"], "hall");
  EXPECT_EQ(json["vendor_0x81"], "-5");
  EXPECT_EQ(json["manual_code"], nlohmann::json::parse(made.printed)["manual_code"]);
}

TEST(CodesCommand, SeveralUnitsShareOneCodeAndAreToldApart) {
  const std::string other =
      nlohmann::json::parse(Type({"codes", "make", "-v", "1", "-p", "2", "--passcode", "19861989",
                                  "--discriminator", "7", "--serial-integer", "77", "--json"})
                                .printed)["qr_code"];
  const Ran made = Type(Make({"--with", other, "--json"}));
  ASSERT_EQ(made.code, 0) << made.said;
  const std::string qr = nlohmann::json::parse(made.printed)["qr_code"];
  EXPECT_THAT(qr, HasSubstr("*"));
  const auto json = nlohmann::json::parse(Type({"codes", "parse", qr, "--json"}).printed);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["discriminator"], "3840");
  EXPECT_EQ(json[1]["discriminator"], "7");
  EXPECT_EQ(json[1]["serial_number"], "77");
}

TEST(CodesCommand, AFlowOtherThanStandardGivesTwentyOneDigitsThatAreRead) {
  const auto json = nlohmann::json::parse(Type(Make({"--flow", "2", "--json"})).printed);
  std::string digits;
  for (const char c : json["manual_code"].get<std::string>()) {
    if (c >= '0' && c <= '9') digits += c;
  }
  EXPECT_EQ(digits.size(), 21u);
  const auto parsed = nlohmann::json::parse(Type({"codes", "parse", digits, "--json"}).printed);
  EXPECT_EQ(parsed["vendor_id"], "0xFFF1");
  EXPECT_EQ(parsed["product_id"], "0x8000");
  EXPECT_EQ(parsed["short_discriminator"], "15");
}

TEST(CodesCommand, PicturesAreThoseOfTheCode) {
  const TestFolder folder;
  const Ran made = Type(Make({"--json", "--png", folder / "q.png", "--svg", folder / "q.svg"}));
  ASSERT_EQ(made.code, 0) << made.said;
  const auto qr =
      image::EncodeQr(nlohmann::json::parse(made.printed)["qr_code"].get<std::string>());
  ASSERT_TRUE(qr.ok());
  EXPECT_EQ(qr->size(), 25) << "version 2";
  EXPECT_EQ(*ReadFile(folder / "q.png"), image::RenderQrPng(*qr));
  EXPECT_EQ(*ReadTextFile(folder / "q.svg"), image::RenderQrSvg(*qr));
}

TEST(CodesCommand, RefusalsNameTheFlagAndNeverThePasscode) {
  const auto refused = [](std::vector<std::string> more, const char* flag) {
    const Ran ran = Type(Make(std::move(more)));
    EXPECT_EQ(ran.code, 1) << ran.printed;
    EXPECT_THAT(ran.said, HasSubstr(flag));
    EXPECT_THAT(ran.said, Not(HasSubstr("34970113")));
  };
  refused({"--flow", "3"}, "--flow");
  refused({"--discovery", "256"}, "--discovery");
  refused({"--discovery", "0"}, "discovery");
  refused({"--iterations", "1000"}, "--iterations");
  refused({"--salt", "AAECAwQFBgcICQoLDA0ODw=="}, "--salt");
  refused({"--iterations", "5", "--salt", "AAECAwQFBgcICQoLDA0ODw=="}, "iterations");
  refused({"--device-count", "256"}, "--device-count");
  refused({"--timeout", "65536"}, "--timeout");
  refused({"--vendor-text", "5=x"}, "--vendor-text");
  refused({"--vendor-number", "0x80=x"}, "--vendor-number");
  refused({"--vendor-text", "0x80=x", "--vendor-number", "0x80=1"}, "--vendor-number");
  refused({"--serial-number", "a", "--serial-integer", "1"}, "--serial-integer");
  refused({"--serial-number", std::string(33, 'a')}, "serial_number");
  refused({"--with", "MT:nothing"}, "--with");
  const Ran beyond = Type({"codes", "make", "-v", "1", "-p", "1", "--passcode", "134217728",
                           "--discriminator", "4096"});
  EXPECT_EQ(beyond.code, 1);
  EXPECT_THAT(beyond.said, AllOf(HasSubstr("--discriminator"), Not(HasSubstr("134217728"))));
  EXPECT_EQ(Type({"codes", "parse", "34970112332", "--png", "x.png"}).code, 1);
  EXPECT_EQ(Type({"codes", "parse", "34970112333"}).code, 1) << "a wrong check digit";
  EXPECT_EQ(Type({"codes", "parse", "MT:S6"}).code, 1) << "a group beyond its bytes";
}

// ---- images ----

class ImageCommand : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, ByteView bytes) {
    EXPECT_TRUE(WriteFile(folder_ / name, bytes, kPrivateFile).ok());
    return folder_ / name;
  }
  std::vector<image::ImageFile> Files(image::NvsProtection protection,
                                      const image::Placement& placement = {}) {
    image::ImageOptions options;
    options.protection = protection;
    image::FactoryContent content = image::FullContent();
    content.placement = placement;
    auto files = image::BuildProvenImage(content, options, "u", random_);
    EXPECT_TRUE(files.ok()) << files.status();
    return *std::move(files);
  }
  TestFolder folder_;
  SystemRandom random_;
};

TEST_F(ImageCommand, InspectEndsWithZeroOnlyForASoundImage) {
  const auto files = Files(image::NvsProtection::kPlain);
  Bytes bytes = ToBytes(files[0].bytes.view());
  const std::string good = Write("good.bin", bytes);
  const Ran sound = Type({"image", "inspect", good, "--json"});
  EXPECT_EQ(sound.code, 0) << sound.said;
  const auto json = nlohmann::json::parse(sound.printed);
  EXPECT_EQ(json["sound"], true);
  EXPECT_EQ(json["pages"].size(), 6u);
  EXPECT_THAT(sound.printed, Not(HasSubstr(std::string(image::kTestDacKey))));
  EXPECT_THAT(Type({"image", "inspect", good, "--show-secrets"}).printed,
              HasSubstr(std::string(image::kTestDacKey)));
  bytes[64 + 32 * 3 + 24] ^= 1;
  const Ran bad = Type({"image", "inspect", Write("bad.bin", bytes), "--json"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(nlohmann::json::parse(bad.printed)["sound"], false);
  EXPECT_EQ(Type({"image", "inspect", Write("cut.bin", ByteView(bytes).first(5000))}).code, 1);
  EXPECT_EQ(Type({"image", "inspect", Write("none.bin", Bytes(100))}).code, 1);
  EXPECT_EQ(Type({"image", "inspect", folder_ / "missing.bin"}).code, 1);
}

TEST_F(ImageCommand, InspectOpensAnEncryptedImageWithItsKeysAndSaysWhatIsWrongWithout) {
  const auto mine = Files(image::NvsProtection::kKeyPartition);
  const auto other = Files(image::NvsProtection::kKeyPartition);
  const std::string image = Write("i.bin", mine[0].bytes.view());
  const std::string keys = Write("k.bin", mine[1].bytes.view());
  EXPECT_EQ(Type({"image", "inspect", image, "--keys", keys}).code, 0);
  EXPECT_EQ(Type({"image", "inspect", keys}).code, 0);
  const Ran without = Type({"image", "inspect", image});
  EXPECT_EQ(without.code, 1);
  EXPECT_THAT(without.said, HasSubstr("encrypted"));
  const Ran wrong =
      Type({"image", "inspect", image, "--keys", Write("o.bin", other[1].bytes.view())});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.said, HasSubstr("do not open"));
  EXPECT_EQ(Type({"image", "inspect", image, "--keys", Write("x.bin", Bytes(7))}).code, 1);
}

TEST_F(ImageCommand, DiffEndsWithOneWhereTwoDiffer) {
  const auto plain = Files(image::NvsProtection::kPlain);
  const auto hmac = Files(image::NvsProtection::kHmac);
  const std::string a = Write("a.bin", plain[0].bytes.view());
  const Ran same = Type({"image", "diff", a, Write("b.bin", hmac[0].bytes.view()), "--other-keys",
                         Write("k.bin", hmac[1].bytes.view()), "--json"});
  EXPECT_EQ(same.code, 0) << same.said;
  EXPECT_TRUE(nlohmann::json::parse(same.printed).empty());
  const auto elsewhere = Files(image::NvsProtection::kPlain, {true, false, false});
  const Ran differs = Type({"image", "diff", a, Write("c.bin", elsewhere[0].bytes.view())});
  EXPECT_EQ(differs.code, 1);
  EXPECT_THAT(differs.printed, AllOf(HasSubstr("chip-factory/dac-key\n  < ***\n  > (absent)"),
                                     HasSubstr("chip-factory/dac-cert")));
}

}  // namespace
}  // namespace assay::client
