#include "client/command/parse.h"

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace assay::client {
namespace {

ParsedCommand Parse(const std::string& line) {
  return ParseCommand(absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

TEST(ParseTest, TheVendorsFourCommandLinesAreUnderstoodAsPrinted) {
  const std::string common =
      "mfg-tool -cd cd.der -v 0x131B --vendor-name ESP -p 0x1000 --product-name light --hw-ver 1 "
      "--hw-ver-str v1.0 --mfg-date 2022-10-25 ";
  const std::string one = "--passcode 19861989 --discriminator 601 --serial-num esp32c_dev3 ";
  EXPECT_TRUE(Parse(common + one).action) << Parse(common + one).text;
  EXPECT_TRUE(Parse(common + "-n 10").action);
  EXPECT_TRUE(Parse(common + one +
                    "--enable-rotating-device-id --rd-id-uid c0398f4980b07c9460f71c5421e1a3c5")
                  .action);
  EXPECT_TRUE(Parse(common + "--enable-rotating-device-id --csv mfg.csv --mcsv mfg_m.csv").action);
}

TEST(ParseTest, EveryFlagOfMfgToolIsKnown) {
  const auto parsed = Parse(
      "mfg-tool -n 2 --target esp32h2 -s 0x6000 -e --log-level info --outdir o --no-bin "
      "--no-secure-cert-bin "
      "-cf 1 -dm 4 --enable-dynamic-passcode --salt x --verifier y --iteration-count 2000 "
      "--commissionable-data-in-secure-cert --dac-in-secure-cert --rd-id-uid-in-secure-cert -lt "
      "100 "
      "-vf 2026-01-01 -cn X -c a -k b -cd c --dac-cert d --dac-key e -ds --efuse-key-id -1 --port "
      "/dev/x "
      "--pwd p --pai -v 1 -p 2 --product-finish satin --product-color gold --part-number P "
      "--calendar-types Gregorian Hebrew --locales en-US fr-FR --fixed-labels 0/a/b 1/c/d "
      "--supported-modes 1/Q/1 --product-label L --product-url U --csv f --mcsv g");
  EXPECT_TRUE(parsed.action) << parsed.text;
}

TEST(ParseTest, WrongUsageIsToldApartFromRefusals) {
  EXPECT_TRUE(Parse("").usage_error);
  EXPECT_TRUE(Parse("dig").usage_error);
  EXPECT_TRUE(Parse("issue -n 5").usage_error);  // no lot
  EXPECT_TRUE(Parse("issue --lot L -n five").usage_error);
  EXPECT_TRUE(Parse("mfg-tool --discriminator -1 -v 1 -p 1").usage_error);
  EXPECT_TRUE(Parse("mfg-tool --paa --pai -v 1 -p 1").usage_error);
}

TEST(ParseTest, ACommandThatIsNotThereIsNamedAndTheNearestOneShown) {
  EXPECT_EQ(Parse("isue --lot L").text,
            "assay: there is no command 'isue'; did you mean 'issue'?\n"
            "Run 'assay --help' for what each does.\n");
  const std::string far = Parse("--profile lot nosuch").text;
  EXPECT_NE(far.find("no command 'nosuch'; assay has issue, "), std::string::npos) << far;
  EXPECT_NE(Parse("lot opne demo").text.find("did you mean 'open'?"), std::string::npos);
  EXPECT_EQ(Parse("issue --nosuch").text.find("there is no command"), std::string::npos);
}

TEST(ParseTest, TheHelpOfACommandThatIsNotThereIsNotItsGroups) {
  const ParsedCommand parsed = Parse("audit nosuch --help");
  EXPECT_TRUE(parsed.usage_error);
  EXPECT_NE(parsed.text.find("no command 'nosuch'"), std::string::npos) << parsed.text;
  EXPECT_FALSE(Parse("product show anything --help").usage_error);
}

TEST(ParseTest, ALotsNameIsNotTakenForACommandThatIsNotThere) {
  EXPECT_FALSE(Parse("lot lease 2026-47 --help").usage_error);
  const ParsedCommand parsed = Parse("lot lease 2026-47 --count x");
  EXPECT_TRUE(parsed.usage_error);
  EXPECT_EQ(parsed.text.find("there is no command"), std::string::npos) << parsed.text;
  EXPECT_NE(parsed.text.find("--count"), std::string::npos) << parsed.text;
}

TEST(ParseTest, HelpIsNoError) {
  const auto parsed = Parse("mfg-tool --help");
  EXPECT_FALSE(parsed.action);
  EXPECT_FALSE(parsed.usage_error);
  EXPECT_NE(parsed.text.find("--mcsv"), std::string::npos);
}

TEST(ParseTest, GlobalOptionsAreTakenBeforeAndAfterTheCommand) {
  EXPECT_TRUE(Parse("--json lot list").global.json);
  EXPECT_TRUE(Parse("lot list --json").global.json);
  EXPECT_EQ(Parse("status --as auditor --profile p").global.role, "auditor");
}

}  // namespace
}  // namespace assay::client
