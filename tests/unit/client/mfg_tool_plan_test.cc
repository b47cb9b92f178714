#include "base/refusal.h"
#include "client/files.h"
#include "client/mfg_tool/csv_plan.h"
#include "client/mfg_tool/plan.h"
#include "gtest/gtest.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

MfgToolOptions Basic() {
  MfgToolOptions options;
  options.vendor_id = 0x131B;
  options.product_id = 0x1000;
  options.mfg_date = "2022-10-25";
  return options;
}

std::string FieldAtFault(const MfgToolOptions& options) {
  const auto plan = PlanMfgTool(options);
  if (plan.ok()) return "accepted";
  const auto refusal = RefusalOf(plan.status());
  return refusal ? refusal->field : std::string(plan.status().message());
}

TEST(MfgToolPlanTest, TheDocumentedDateIsTaken) {
  const auto plan = PlanMfgTool(Basic());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->spec.manufacturing_date(), "2022-10-25");
  EXPECT_EQ(plan->devices.size(), 1u);
  EXPECT_EQ(plan->spec.dac().attestation(), v1::ATTESTATION_NONE);
  EXPECT_TRUE(plan->spec.values_from_line());
}

TEST(MfgToolPlanTest, WithPaiTheDacComesFromTheHsm) {
  auto options = Basic();
  options.pai = true;
  EXPECT_EQ(PlanMfgTool(options)->spec.dac().attestation(), v1::ATTESTATION_SERVER_KEY);
}

TEST(MfgToolPlanTest, DiscriminatorZeroIsAValue) {
  auto options = Basic();
  options.discriminator = 0;
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->devices[0].has_discriminator());
  EXPECT_EQ(plan->devices[0].discriminator(), 0u);
}

TEST(MfgToolPlanTest, FlagsThatAreNotBuiltAreRefusedByName) {
  const auto refused = [](auto set) {
    auto options = Basic();
    set(options);
    return FieldAtFault(options);
  };
  EXPECT_EQ(refused([](auto& o) { o.key = "k.pem"; }), "--key");
  EXPECT_EQ(refused([](auto& o) { o.paa = true, o.lot = "L"; }), "--paa");
  EXPECT_EQ(refused([](auto& o) { o.cn_prefix = "X"; }), "--cn-prefix");
  EXPECT_EQ(refused([](auto& o) { o.port = "x"; }), "--port");
  EXPECT_EQ(refused([](auto& o) { o.password = "x"; }), "--password");
}

TEST(MfgToolPlanTest, PaaAsksForAPaiOfItsOwnNamedByThePrefix) {
  auto options = Basic();
  options.paa = true;
  auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->make_pai);
  EXPECT_EQ(plan->pai_common_name, "ESP32 PAI 00");
  EXPECT_EQ(plan->spec.dac().attestation(), v1::ATTESTATION_SERVER_KEY);
  options.cn_prefix = "Acme";
  plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pai_common_name, "Acme PAI 00");
}

TEST(MfgToolPlanTest, AKeyFileIsAnsweredWithTheWayIntoTheHsm) {
  auto options = Basic();
  options.key = "k.pem";
  EXPECT_NE(PlanMfgTool(options).status().message().find("authority pai create"),
            std::string::npos);
}

TEST(MfgToolPlanTest, DefectsOfTheOriginalAreRefusals) {
  const auto refused = [](auto set) {
    auto options = Basic();
    set(options);
    return FieldAtFault(options);
  };
  EXPECT_EQ(refused([](auto& o) { o.count = 0; }), "--count");
  EXPECT_EQ(refused([](auto& o) { o.passcode = 100000000; }), "--passcode");
  EXPECT_EQ(refused([](auto& o) { o.passcode = 11111111; }), "--passcode");
  EXPECT_EQ(refused([](auto& o) { o.discriminator = 4096; }), "--discriminator");
  EXPECT_EQ(refused([](auto& o) { o.rd_id_uid = std::string(32, 'a'); }), "--rd-id-uid");
  EXPECT_EQ(refused([](auto& o) { o.dac_in_secure_cert = true; }), "--dac-in-secure-cert");
  EXPECT_EQ(refused([](auto& o) { o.salt = "AAAA"; }), "--salt");
  EXPECT_EQ(refused([](auto& o) { o.vendor_name = ""; }), "--vendor-name");
  EXPECT_EQ(refused([](auto& o) {
              o.vendor_name = std::string(17, 'x') +
                              "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4";
            }),
            "--vendor-name");  // 25 characters, 33 bytes
  EXPECT_EQ(refused([](auto& o) { o.ds_peripheral = true; }), "--ds-peripheral");
  EXPECT_EQ(refused([](auto& o) { o.csv = "a"; }), "--csv");
  EXPECT_EQ(refused([](auto& o) { o.dac_cert = "a"; }), "--dac-cert");
}

TEST(MfgToolPlanTest, ASerialNumberOfThirtyTwoBytesIsFine) {
  auto options = Basic();
  options.serial_num = std::string(32, 'A');
  EXPECT_TRUE(PlanMfgTool(options).ok());
  options.serial_num = std::string(33, 'A');
  EXPECT_EQ(FieldAtFault(options), "--serial-num");
}

TEST(MfgToolPlanTest, OneDevicesValuesAreRefusedForTwo) {
  auto options = Basic();
  options.count = 2;
  options.passcode = 19861989;
  EXPECT_EQ(FieldAtFault(options), "--passcode");
}

TEST(MfgToolPlanTest, BothDocumentedSpellingsOfValidFromAreTaken) {
  for (const char* text : {"2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04:05"}) {
    auto options = Basic();
    options.pai = true;
    options.valid_from = text;
    EXPECT_TRUE(PlanMfgTool(options).ok()) << text;
  }
  auto options = Basic();
  options.valid_from = "02.01.2026";
  EXPECT_EQ(FieldAtFault(options), "--valid-from");
}

TEST(MfgToolPlanTest, TheExampleCsvReachesEveryDevice) {
  const std::string folder = std::string(ASSAY_SOURCE_DIR) + "/deploy/examples/";
  auto options = Basic();
  options.enable_rotating_device_id = true;
  options.csv = folder + "mfg.csv";
  options.mcsv = folder + "mfg_m.csv";
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->devices.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(plan->devices[i].discriminator(), 1234u + i);
    EXPECT_EQ(plan->devices[i].serial_number(), "esp32c_dev" + std::to_string(3 + i));
    EXPECT_EQ(plan->devices[i].rotating_id().size(), 16u);
  }
  EXPECT_EQ(plan->spec.extra_keys_size(), 0);
}

TEST(CsvPlanTest, OtherKeysBecomeExtraKeysWithTheirText) {
  const auto plan = PlanFromCsvTexts(
      "serial-num,data,string\nmine,namespace,\ncolour,data,u8\nblob,data,hex2bin\n", "a.csv",
      "serial-num,colour,blob\nS1,7,0aFF\n", "b.csv");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->extra_keys.size(), 2u);
  EXPECT_EQ(plan->extra_keys[0].namespace_(), "mine");
  EXPECT_EQ(plan->extra_keys[0].encoding(), "u8");
  ASSERT_EQ(plan->devices[0].extra_size(), 2);
  EXPECT_EQ(plan->devices[0].extra(0).value(), "7");
  EXPECT_EQ(plan->devices[0].extra(1).value(), "0aff");
}

TEST(CsvPlanTest, PasscodeSaltAndVerifierBelongTogether) {
  const auto plan = PlanFromCsvTexts("passcode,data,u32\nsalt,data,string\n", "a.csv",
                                     "passcode,salt\n19861989,AAECAwQFBgcICQoLDA0ODw==\n", "b.csv");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->devices[0].passcode(), 19861989u);
  EXPECT_EQ(plan->devices[0].salt().size(), 16u);
}

TEST(CsvPlanTest, MalformedCsvNamesFileLineAndColumn) {
  const auto fault = [](const std::string& csv, const std::string& mcsv) {
    const auto plan = PlanFromCsvTexts(csv, "a.csv", mcsv, "b.csv");
    return plan.ok() ? "accepted" : std::string(plan.status().message());
  };
  const std::string discriminator = "serial-num,data,string\ndiscriminator,data,u32\n";
  const std::string above = fault(discriminator, "serial-num,discriminator\nA,1\nB,4096\n");
  EXPECT_NE(above.find("b.csv line 3 column 2 (discriminator)"), std::string::npos) << above;
  const std::string forbidden = fault("passcode,data,u32\n", "passcode\n11111111\n");
  EXPECT_NE(forbidden.find("b.csv line 2 column 1 (passcode)"), std::string::npos) << forbidden;
  EXPECT_EQ(forbidden.find("11111111"), std::string::npos) << "a passcode stands in a refusal";
  for (const std::string& text :
       {fault(discriminator, "serial-num,discriminator\nA,x\n"),
        fault(discriminator, "serial-num\nA\n"), fault("serial-num,data\n", "serial-num\nA\n"),
        fault("serial-num,data,sting\n", "serial-num\nA\n"),
        fault("dac-key,file,binary\n", "dac-key\nx\n"),
        fault("serial-num,data,string\n", "serial-num\n"),
        fault("serial-num,data,string\n", "serial-num\n\"A\n")}) {
    EXPECT_NE(text, "accepted");
    EXPECT_TRUE(text.find("a.csv") != std::string::npos || text.find("b.csv") != std::string::npos)
        << text;
  }
}

TEST(LotCheckTest, AFlagThatContradictsTheRecordIsNamed) {
  auto options = Basic();
  options.vendor_name = "Other";
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok());
  v1::ProductSpec lot = plan->spec;
  EXPECT_TRUE(CheckAgainstLot(options, *plan, lot).ok());
  lot.set_vendor_name("ESP");
  const auto refusal = RefusalOf(CheckAgainstLot(options, *plan, lot));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->field, "--vendor-name");
  EXPECT_NE(refusal->rule.find("ESP"), std::string::npos);
}

TEST(LotCheckTest, WhatWasNotTypedIsTheRecordsToSay) {
  MfgToolOptions options;
  options.lot = "L1";
  const auto plan = PlanMfgTool(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(CheckAgainstLot(options, *plan, TestSpec()).ok());
}

}  // namespace
}  // namespace assay::client
