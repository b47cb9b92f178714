// The defects of mfg_tool 1.0.23 that flags, csv files and the output tree could bring back; each
// test is named after one. docs/formats.md lists them all.
#include <gmock/gmock.h>

#include <fstream>

#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "client/command/parse.h"
#include "client/files.h"
#include "client/mfg_tool/csv_plan.h"
#include "client/mfg_tool/plan.h"
#include "client/mfg_tool/tree.h"
#include "gtest/gtest.h"
#include "image/csv.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

MfgToolOptions Basic() {
  MfgToolOptions options;
  options.vendor_id = 0xFFF1;
  options.product_id = 0x8000;
  return options;
}

// The field a refusal names, or "accepted".
std::string FieldAtFault(const MfgToolOptions& options) {
  const auto plan = PlanMfgTool(options);
  if (plan.ok()) return "accepted";
  const auto refusal = RefusalOf(plan.status());
  if (!refusal) return "no refusal: " + std::string(plan.status().message());
  EXPECT_FALSE(refusal->rule.empty()) << refusal->field;
  return refusal->field;
}
template <typename Change>
std::string FieldAfter(Change change) {
  MfgToolOptions options = Basic();
  change(options);
  return FieldAtFault(options);
}

std::string CsvFault(const std::string& csv, const std::string& mcsv) {
  const auto plan = PlanFromCsvTexts(csv, "a.csv", mcsv, "b.csv");
  return plan.ok() ? "accepted" : std::string(plan.status().message());
}

ParsedCommand Parse(const std::string& line) {
  return ParseCommand(absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

// ---- wrong devices ----

TEST(DefectWrongDevice, CsvOverrideReachesImageQrManualCodeAndLists) {
  const auto plan = PlanFromCsvTexts(
      "serial-num,data,string\ndiscriminator,data,u32\nsalt,data,base64\npasscode,data,u32\n",
      "a.csv", "serial-num,discriminator,salt,passcode\nA,1234,AAECAwQFBgcICQoLDA0ODw==,19861989\n",
      "b.csv");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->extra_keys.size(), 0u) << "an override may not stay behind in NVS alone";
  const TestFolder folder;
  TreeOptions options;
  options.outdir = folder / "out";
  auto tree = *MfgToolTree::Create(options, TestSpec());
  const auto identity = TestIdentity(TestSpec(), "1", plan->devices[0]);
  ASSERT_TRUE(tree.Add(0, identity).ok());
  const auto codes = image::ReadCsv(
      *ReadTextFile(tree.folder() + "/device-1/device-1-onb_codes.csv"), "onb_codes");
  ASSERT_TRUE(codes.ok()) << codes.status();
  const auto& cells = (*codes)[1].cells;
  EXPECT_EQ(matter::ParseQr(cells[0].text)->discriminator, 1234);
  EXPECT_EQ(matter::ParseQr(cells[0].text)->passcode, 19861989u);
  EXPECT_EQ(matter::ParseManualCode(cells[1].text)->short_discriminator, 1234 >> 8);
  EXPECT_EQ(cells[2].text, "1234");
  EXPECT_THAT(*ReadTextFile(*tree.Finish()), HasSubstr("\r\n1234,1000,"));
  // A code that says otherwise than the image never reaches the folder.
  auto wrong = TestIdentity(TestSpec(), "2", plan->devices[0]);
  wrong.mutable_codes()->set_discriminator(1235);
  EXPECT_FALSE(tree.Add(1, wrong).ok());
}

TEST(DefectWrongDevice, PasscodeBeyondItsRangeIsRefusedAndNeverReachesTheQr) {
  for (const uint64_t passcode : {0u, 99999999u, 100000000u, 134217728u, 12345678u}) {
    EXPECT_EQ(FieldAfter([&](auto& o) { o.passcode = passcode; }), "--passcode") << passcode;
  }
  EXPECT_THAT(CsvFault("passcode,data,u32\n", "passcode\n134217728\n"),
              HasSubstr("b.csv line 2 column 1 (passcode)"));
  matter::SetupPayload payload{
      .vendor_id = 0xFFF1, .product_id = 0x8000, .discovery = 2, .passcode = 134217728};
  EXPECT_FALSE(matter::EncodeQr(payload).ok());
}

TEST(DefectWrongDevice, DiscriminatorZeroIsKept) {
  MfgToolOptions options = Basic();
  options.discriminator = 0;
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_TRUE(plan->devices[0].has_discriminator());
  EXPECT_EQ(plan->devices[0].discriminator(), 0u);
  const auto identity = TestIdentity(TestSpec(), "1", plan->devices[0]);
  EXPECT_EQ(matter::ParseQr(identity.codes().qr_code())->discriminator, 0);
}

TEST(DefectWrongDevice, DuplicateSerialNumberRotatingIdOrLabelInAFileIsRefused) {
  EXPECT_THAT(CsvFault("serial-num,data,string\n", "serial-num\nA\nB\nA\n"),
              AllOf(HasSubstr("b.csv line 4 column 1 (serial-num)"), HasSubstr("line 2")));
  const std::string id = "c0398f4980b07c9460f71c5421e1a3c5";
  EXPECT_THAT(CsvFault("rd-id-uid,data,hex2bin\n", "rd-id-uid\n" + id + "\n" + id + "\n"),
              AllOf(HasSubstr("b.csv line 3 column 1 (rd-id-uid)"), HasSubstr("line 2")));
  const std::string label = "passcode,data,u32\ndiscriminator,data,u32\n";
  EXPECT_THAT(CsvFault(label, "passcode,discriminator\n19861989,7\n19861989,8\n19861989,7\n"),
              AllOf(HasSubstr("b.csv line 4 column 1 (passcode)"), HasSubstr("line 2"),
                    ::testing::Not(HasSubstr("19861989"))));
  EXPECT_EQ(CsvFault(label, "passcode,discriminator\n19861989,7\n19861989,8\n"), "accepted");
}

TEST(DefectWrongDevice, NoRefusalOfACsvTellsASecretOrAWholePage) {
  const auto said = [](const std::string& key, const std::string& value) {
    return CsvFault(key + "\n", key.substr(0, key.find(',')) + "\n" + value + "\n");
  };
  EXPECT_THAT(said("passcode,data,u32", "-34970112"),
              AllOf(HasSubstr("line 2 column 1"), ::testing::Not(HasSubstr("34970112"))));
  EXPECT_THAT(said("verifier,data,base64", "@secret"), ::testing::Not(HasSubstr("secret")));
  EXPECT_THAT(said("rd-id-uid,data,hex2bin", "c0ffe"), ::testing::Not(HasSubstr("c0ffe")));
  EXPECT_LT(said("note,data,string", std::string(5000, 'x')).size(), 400u);
}

TEST(DefectWrongDevice, RepeatInCsvIsFollowed) {
  const auto plan = PlanFromCsvTexts("serial-num,data,string\nshop,data,string,REPEAT\n", "a.csv",
                                     "serial-num,shop\nA,west\nB,\nC,east\n", "b.csv");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->devices.size(), 3u);
  EXPECT_EQ(plan->devices[1].extra(0).value(), "west");
  EXPECT_EQ(plan->devices[2].extra(0).value(), "east");
}

// ---- checks and usability ----

TEST(DefectChecks, DocumentedDateFormatsAreTaken) {
  for (const char* date : {"2022-10-25", "20221025", "2022-10-25abcdef"}) {
    EXPECT_EQ(FieldAfter([&](auto& o) { o.mfg_date = date; }), "accepted") << date;
  }
  for (const char* date : {"2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04:05"}) {
    EXPECT_EQ(FieldAfter([&](auto& o) { o.pai = true, o.valid_from = date; }), "accepted") << date;
  }
}

TEST(DefectChecks, LifetimeMayEndWithThePaiOrNeverAndIsNotAskedOfAGivenDac) {
  const auto lifetime = [](const char* text) {
    MfgToolOptions options = Basic();
    options.pai = true;
    options.lifetime = text;
    const auto plan = PlanMfgTool(options);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan->spec.dac().lifetime();
  };
  EXPECT_EQ(lifetime("pai"), v1::DacProfile::LIFETIME_UNTIL_PAI_ENDS);
  EXPECT_EQ(lifetime("never"), v1::DacProfile::LIFETIME_NEVER_EXPIRES);
  EXPECT_EQ(lifetime("3650"), v1::DacProfile::LIFETIME_DAYS);
  EXPECT_EQ(FieldAfter([](auto& o) { o.pai = true, o.lifetime = "0"; }), "--lifetime");
  EXPECT_EQ(FieldAfter([](auto& o) { o.pai = true, o.lifetime = "long"; }), "--lifetime");
  // Without a DAC there is nothing that could have them.
  EXPECT_EQ(FieldAfter([](auto& o) { o.lifetime = "never"; }), "--lifetime");
  EXPECT_EQ(FieldAfter([](auto& o) { o.valid_from = "2026-01-01"; }), "--valid-from");
}

TEST(DefectChecks, SaltShorterThanTheSpecificationAsksIsRefused) {
  EXPECT_EQ(FieldAfter([](auto& o) { o.salt = "AAECAwQFBgc="; }), "--salt") << "8 bytes";
  EXPECT_EQ(FieldAfter([](auto& o) { o.salt = "AAECAwQFBgcICQoLDA0O"; }), "--salt") << "15 bytes";
  EXPECT_EQ(FieldAfter([](auto& o) { o.salt = "AAECAwQFBgcICQoLDA0ODw=="; }), "accepted");
  EXPECT_EQ(FieldAfter([](auto& o) { o.salt = "not base64"; }), "--salt");
}

TEST(DefectChecks, NamesAreCountedInBytesAndNeverEmpty) {
  std::string umlauts;
  for (int i = 0; i < 17; ++i) umlauts += "\xC3\xA4";  // 17 characters, 34 bytes
  EXPECT_EQ(FieldAfter([&](auto& o) { o.vendor_name = umlauts; }), "--vendor-name");
  EXPECT_EQ(FieldAfter([&](auto& o) { o.product_name = umlauts; }), "--product-name");
  EXPECT_EQ(FieldAfter([](auto& o) { o.vendor_name = ""; }), "--vendor-name");
  EXPECT_EQ(FieldAfter([](auto& o) { o.product_name = ""; }), "--product-name");
}

TEST(DefectChecks, SerialNumberMayHaveThirtyTwoBytes) {
  EXPECT_EQ(FieldAfter([](auto& o) { o.serial_num = std::string(32, 'A'); }), "accepted");
  EXPECT_EQ(FieldAfter([](auto& o) { o.serial_num = std::string(33, 'A'); }), "--serial-num");
  EXPECT_EQ(FieldAfter([](auto& o) { o.serial_num = ""; }), "--serial-num");
}

TEST(DefectChecks, CountOfZeroOrLessIsRefused) {
  EXPECT_EQ(FieldAfter([](auto& o) { o.count = 0; }), "--count");
  EXPECT_TRUE(Parse("mfg-tool -v 1 -p 1 -n -1").usage_error);
}

TEST(DefectChecks, OptionsThatWouldDoNothingAreRefused) {
  EXPECT_EQ(FieldAfter([](auto& o) { o.dac_in_secure_cert = true; }), "--dac-in-secure-cert")
      << "without --pai there is no DAC";
  EXPECT_EQ(FieldAfter([](auto& o) { o.rd_id_uid = "c0398f4980b07c9460f71c5421e1a3c5"; }),
            "--rd-id-uid")
      << "without --enable-rotating-device-id";
  EXPECT_EQ(FieldAfter([](auto& o) {
              o.target = "esp32h2", o.pai = true, o.ds_peripheral = true, o.efuse_key_id = 1;
            }),
            "--ds-peripheral")
      << "without --dac-in-secure-cert";
  EXPECT_EQ(FieldAfter([](auto& o) { o.efuse_key_id = 1; }), "--efuse-key-id");
  EXPECT_EQ(FieldAfter([](auto& o) {
              o.pai = true, o.dac_in_secure_cert = true, o.no_secure_cert_bin = true;
            }),
            "--no-secure-cert-bin")
      << "the DAC would be nowhere";
}

TEST(DefectChecks, NoSecureCertBinWithAllThreeOptionsIsRefusedBeforeAnythingIsMade) {
  EXPECT_EQ(FieldAfter([](auto& o) {
              o.pai = true, o.dac_in_secure_cert = true, o.enable_rotating_device_id = true;
              o.commissionable_data_in_secure_cert = true, o.rd_id_uid_in_secure_cert = true;
              o.no_secure_cert_bin = true;
            }),
            "--no-secure-cert-bin");
}

TEST(DefectChecks, AMissingSecureCertImageFailsTheDeviceAndIsNoWarning) {
  const TestFolder folder;
  v1::ProductSpec spec = TestSpec();
  spec.mutable_image()->mutable_secure_cert()->set_attestation(true);
  TreeOptions options;
  options.outdir = folder / "out";
  auto tree = *MfgToolTree::Create(options, spec);
  const absl::Status status = tree.Add(0, TestIdentity(TestSpec(), "1"));
  EXPECT_TRUE(HasReason(status, Reason::VERIFY_FAILED)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("esp_secure_cert"));
  EXPECT_FALSE(PathExists(tree.folder() + "/device-1"));
}

TEST(DefectChecks, BadModeStringIsRefusedWithTheFormItShouldHave) {
  for (const char* mode :
       {"", "1", "1/Quiet", "x/Quiet/1", "-1/Quiet/1", "256/Quiet/1", "1//1", "1/Quiet/x",
        "1/Quiet/65536", "1/Quiet/1/", "1/Quiet/1/7", "1/Quiet/1/7\\", "1/Quiet/1/\\7",
        "1/Quiet/1/7\\0,", "1/Quiet/1/7\\0 8\\0", "1/Quiet/1/70000\\0", "1/Quiet/1/7\\0/9"}) {
    const std::string field = FieldAfter([&](auto& o) { o.supported_modes = {mode}; });
    EXPECT_THAT(field, HasSubstr("--supported-modes")) << mode;
  }
}

TEST(DefectChecks, HexEndpointInAFixedLabelIsRead) {
  MfgToolOptions options = Basic();
  options.fixed_labels = {"0x1F/room/kitchen"};
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->spec.fixed_labels(0).endpoint(), 31u);
  for (const char* label : {"", "1", "1/a", "1/a/b/c", "a/a/b", "0x/a/b", "-1/a/b", "70000/a/b"}) {
    EXPECT_THAT(FieldAfter([&](auto& o) { o.fixed_labels = {label}; }), HasSubstr("--fixed-labels"))
        << label;
  }
}

TEST(DefectChecks, MissingFileIsNamed) {
  const auto said = [](auto change) {
    MfgToolOptions options = Basic();
    change(options);
    return std::string(PlanMfgTool(options).status().message());
  };
  EXPECT_THAT(said([](auto& o) { o.cert_dclrn = "no.der"; }),
              AllOf(HasSubstr("--cert-dclrn"), HasSubstr("no.der")));
  EXPECT_THAT(said([](auto& o) { o.pai = true, o.cert = "no.pem"; }),
              AllOf(HasSubstr("--cert"), HasSubstr("no.pem")));
  EXPECT_THAT(said([](auto& o) { o.csv = "no.csv", o.mcsv = "no.csv"; }),
              AllOf(HasSubstr("--csv"), HasSubstr("no.csv")));
  EXPECT_THAT(CsvFault("logo,file,binary\n", "logo\nno.bin\n"),
              AllOf(HasSubstr("b.csv line 2 column 1 (logo)"), HasSubstr("no.bin")));
}

TEST(DefectChecks, MissingMcsvColumnIsNamed) {
  EXPECT_THAT(CsvFault("serial-num,data,string\nshop,data,string\n", "serial-num\nA\n"),
              AllOf(HasSubstr("b.csv"), HasSubstr("shop")));
}

TEST(DefectChecks, BlankLinesInCsvFilesAreNoDevices) {
  const auto plan = PlanFromCsvTexts("\nserial-num,data,string\n\n\n", "a.csv",
                                     "serial-num\n\nA\n\nB\n\n\n", "b.csv");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->devices.size(), 2u);
}

TEST(DefectChecks, NegativePasscodeIsAUsageError) {
  const auto parsed = Parse("mfg-tool -v 1 -p 1 --passcode -5");
  EXPECT_TRUE(parsed.usage_error);
  EXPECT_THAT(parsed.text, HasSubstr("--passcode"));
}

}  // namespace
}  // namespace assay::client
