#include "image/factory_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/refusal.h"
#include "tests/unit/image/factory_fixture.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

TEST(FactoryKeys, StandInTheReferenceToolsOrder) {
  ASSAY_NEED_VECTORS();
  FactoryContent content = FullContent();
  content.certification_declaration = *MfgVector("pki/opaque_cd.bin");
  ASSERT_TRUE(CheckFactoryContent(content).ok()) << CheckFactoryContent(content);
  const auto golden = VectorEntries("fixed_run/partition.csv");
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(ToNvsEntries(content), *golden);
  const auto image = BuildNvs(ToNvsEntries(content), {0x6000});
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(ToBytes(image->view()), *MfgVector("fixed_run/partition.0x6000.bin"));
}

TEST(FactoryKeys, LeaveNvsWhenPlacedInSecureCert) {
  ASSAY_NEED_VECTORS();
  FactoryContent content = FullContent();
  content.certification_declaration = *MfgVector("pki/opaque_cd.bin");
  content.supported_modes.clear();
  content.placement = {true, true, true};
  const auto text = test::LoadVector("mfg_tool/tlv/full.nvs_partition.csv");
  const auto golden = ReadPartitionCsv(
      *text, "full",
      [](std::string_view) -> absl::StatusOr<Bytes> { return *MfgVector("pki/opaque_cd.bin"); });
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(ToNvsEntries(content), *golden);
}

TEST(FactoryKeys, ReadBackToTheSameContent) {
  const FactoryContent content = FullContent();
  const auto back = FromNvsEntries(ToNvsEntries(content));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(CompareFactoryContent(content, *back).ok());
  EXPECT_EQ(back->fixed_labels, content.fixed_labels);
  EXPECT_EQ(back->supported_modes, content.supported_modes);
  EXPECT_EQ(back->serial_number, content.serial_number);
  EXPECT_EQ(ToHex(back->dac_key.view()), kTestDacKey);
}

TEST(FactoryKeys, ComparisonNamesWhatDiffersAndNeverItsValue) {
  const FactoryContent content = FullContent();
  const auto differs = [&](const std::function<void(FactoryContent&)>& change) {
    FactoryContent other = content.Clone();
    change(other);
    const absl::Status status = CompareFactoryContent(content, other);
    EXPECT_TRUE(HasReason(status, Reason::VERIFY_FAILED));
    const auto refusal = RefusalOf(status);
    EXPECT_EQ(refusal ? refusal->value : "?", "");
    return refusal ? refusal->field : "";
  };
  EXPECT_EQ(differs([](auto& c) { c.serial_number = "X"; }), "chip-factory/serial-num");
  EXPECT_EQ(differs([](auto& c) { c.discriminator.reset(); }), "chip-factory/discriminator");
  EXPECT_EQ(differs([](auto& c) { c.dac_key = SecretBytes(Bytes(32, 1)); }),
            "chip-factory/dac-key");
  EXPECT_EQ(differs([](auto& c) { c.extra.emplace_back("zz", "k", uint8_t{1}); }), "zz/k");
  EXPECT_EQ(differs([](auto& c) { c.supported_modes[0].tags[1].value = 9; }),
            "chip-factory/st-v/1/0/1");
  EXPECT_EQ(differs([](auto& c) { c.placement.attestation_in_secure_cert = true; }), "placement");
}

struct BadContent {
  const char* what;
  std::function<void(FactoryContent&)> change;
  Reason reason;
  const char* field;
};

TEST(FactoryKeys, RefuseWhatTheSpecificationForbids) {
  const BadContent kCases[] = {
      {"13 bits", [](auto& c) { c.discriminator = 4096; }, Reason::FIELD_OUT_OF_RANGE,
       "discriminator"},
      {"few iterations", [](auto& c) { c.iteration_count = 999; }, Reason::FIELD_OUT_OF_RANGE,
       "iteration_count"},
      {"many iterations", [](auto& c) { c.iteration_count = 100001; }, Reason::FIELD_OUT_OF_RANGE,
       "iteration_count"},
      {"salt of 8 bytes", [](auto& c) { c.salt.resize(8); }, Reason::FIELD_OUT_OF_RANGE, "salt"},
      {"salt of 33 bytes", [](auto& c) { c.salt.resize(33); }, Reason::FIELD_OUT_OF_RANGE, "salt"},
      {"verifier alone", [](auto& c) { c.salt.clear(), c.iteration_count.reset(); },
       Reason::FIELDS_CONTRADICT, "verifier"},
      {"salt without count", [](auto& c) { c.iteration_count.reset(); }, Reason::FIELDS_CONTRADICT,
       "salt"},
      {"short verifier", [](auto& c) { c.verifier.pop_back(); }, Reason::FIELD_OUT_OF_RANGE,
       "verifier"},
      {"compressed point", [](auto& c) { c.verifier[32] = 2; }, Reason::FIELD_MALFORMED,
       "verifier"},
      {"no vendor", [](auto& c) { c.vendor_id = 0; }, Reason::FIELD_OUT_OF_RANGE, "vendor_id"},
      {"no product", [](auto& c) { c.product_id = 0; }, Reason::FIELD_OUT_OF_RANGE, "product_id"},
      {"17 two-byte letters",
       [](auto& c) {
         c.vendor_name.clear();
         for (int i = 0; i < 17; ++i) c.vendor_name += "\xC3\xA4";
       },
       Reason::FIELD_TOO_LONG, "vendor_name"},
      {"no UTF-8", [](auto& c) { c.product_name = "\xFF"; }, Reason::FIELD_MALFORMED,
       "product_name"},
      {"serial of 33", [](auto& c) { c.serial_number = std::string(33, '1'); },
       Reason::FIELD_TOO_LONG, "serial_number"},
      {"part number", [](auto& c) { c.part_number = std::string(33, '1'); }, Reason::FIELD_TOO_LONG,
       "part_number"},
      {"label", [](auto& c) { c.product_label = std::string(65, '1'); }, Reason::FIELD_TOO_LONG,
       "product_label"},
      {"url", [](auto& c) { c.product_url = std::string(257, '1'); }, Reason::FIELD_TOO_LONG,
       "product_url"},
      {"13th month", [](auto& c) { c.manufacturing_date = "20221301"; }, Reason::FIELD_OUT_OF_RANGE,
       "manufacturing_date"},
      {"30 February", [](auto& c) { c.manufacturing_date = "2022-02-30"; },
       Reason::FIELD_OUT_OF_RANGE, "manufacturing_date"},
      {"half a date", [](auto& c) { c.manufacturing_date = "2022-10"; }, Reason::FIELD_MALFORMED,
       "manufacturing_date"},
      {"long date", [](auto& c) { c.manufacturing_date = "20221025abcdefghi"; },
       Reason::FIELD_TOO_LONG, "manufacturing_date"},
      {"rotating id", [](auto& c) { c.rotating_id.resize(15); }, Reason::FIELD_OUT_OF_RANGE,
       "rotating_id"},
      {"finish", [](auto& c) { c.finish = 6; }, Reason::FIELD_OUT_OF_RANGE, "finish"},
      {"color", [](auto& c) { c.color = 21; }, Reason::FIELD_OUT_OF_RANGE, "color"},
      {"calendar", [](auto& c) { c.calendar_types = 1 << 12; }, Reason::FIELD_OUT_OF_RANGE,
       "calendar_types"},
      {"locale", [](auto& c) { c.locales[1] = "fr_FR"; }, Reason::FIELD_MALFORMED, "locales[1]"},
      {"no locale", [](auto& c) { c.locales[0] = ""; }, Reason::FIELD_REQUIRED, "locales[0]"},
      {"fixed label", [](auto& c) { c.fixed_labels[0].label = std::string(17, 'a'); },
       Reason::FIELD_TOO_LONG, "fixed_labels[0].label"},
      {"mode label", [](auto& c) { c.supported_modes[1].label = ""; }, Reason::FIELD_REQUIRED,
       "supported_modes[1].label"},
      {"mode twice", [](auto& c) { c.supported_modes[1].mode = 0; }, Reason::FIELDS_CONTRADICT,
       "supported_modes[1].mode"},
      {"dac too long", [](auto& c) { c.dac.resize(601); }, Reason::FIELD_TOO_LONG, "dac"},
      {"dac without pai", [](auto& c) { c.pai.clear(); }, Reason::FIELDS_CONTRADICT, "dac"},
      {"key without dac", [](auto& c) { c.dac.clear(), c.pai.clear(); }, Reason::FIELDS_CONTRADICT,
       "dac_key"},
      {"key of 31", [](auto& c) { c.dac_key = SecretBytes(31); }, Reason::FIELD_OUT_OF_RANGE,
       "dac_key"},
      {"placement", [](auto& c) { c.placement.rotating_id_in_secure_cert = true; },
       Reason::FIELDS_CONTRADICT, "placement"},
      {"extra type",
       [](auto& c) { c.extra.emplace_back("chip-factory", "serial-num", uint32_t{1}); },
       Reason::FIELD_MALFORMED, "extra chip-factory/serial-num"},
      {"extra key", [](auto& c) { c.extra.emplace_back("x", "sixteen_bytes_xx", uint32_t{1}); },
       Reason::FIELD_TOO_LONG, "x/sixteen_bytes_xx"},
      {"endpoint makes a key too long",
       [](auto& c) {
         c.supported_modes.clear();
         for (int i = 0; i < 17; ++i)
           c.supported_modes.push_back({0xFFFE, "m", static_cast<uint8_t>(i), {}});
       },
       Reason::FIELD_TOO_LONG, "chip-factory/sm-label/fffe/10"},
  };
  for (const BadContent& bad : kCases) {
    FactoryContent content = FullContent();
    bad.change(content);
    const auto refusal = RefusalOf(CheckFactoryContent(content));
    ASSERT_TRUE(refusal) << bad.what;
    EXPECT_EQ(refusal->reason, bad.reason) << bad.what;
    EXPECT_EQ(refusal->field, bad.field) << bad.what;
    EXPECT_FALSE(refusal->rule.empty()) << bad.what;
  }
}

TEST(FactoryKeys, AcceptWhatTheReferenceToolWronglyRefuses) {
  FactoryContent content = FullContent();
  content.discriminator = 0;
  content.manufacturing_date = "2022-10-25";
  content.serial_number = std::string(32, '7');
  EXPECT_TRUE(CheckFactoryContent(content).ok());
  EXPECT_EQ(FromNvsEntries(ToNvsEntries(content))->discriminator, 0);
  content.verifier.clear();  // dynamic passcode: salt and count stay
  EXPECT_TRUE(CheckFactoryContent(content).ok());
  content.dac_key = SecretBytes();  // the device's own key
  EXPECT_TRUE(CheckFactoryContent(content).ok());
}

TEST(ExtraKeys, TakeThePlaceOfTheKeyTheyName) {
  FactoryContent content = FullContent();
  content.extra = {{"chip-factory", "discriminator", uint32_t{1234}},
                   {"mine", "a", uint8_t{1}},
                   {"chip-factory", "own", std::string("x")},
                   {"other", "b", uint8_t{2}},
                   {"mine", "c", uint8_t{3}}};
  const std::vector<NvsEntry> entries = ToNvsEntries(content);
  EXPECT_EQ(entries.front(), NvsEntry("chip-factory", "discriminator", uint32_t{1234}));
  std::string order;
  for (const NvsEntry& entry : entries) order += entry.name_space + "/" + entry.key + " ";
  EXPECT_THAT(order, ::testing::HasSubstr("cert-dclrn chip-factory/own chip-factory/cal-types"));
  EXPECT_THAT(order, ::testing::EndsWith("product-url mine/a mine/c other/b "));
}

TEST(ExtraKeys, ReachTheirTypedFieldsSoThatEveryOutputAgrees) {
  FactoryContent content = FullContent();
  content.placement = {true, true, true};
  content.extra = {{"chip-factory", "discriminator", uint32_t{1234}},
                   {"chip-factory", "serial-num", std::string("esp32c_dev3")},
                   {"chip-factory", "rd-id-uid", Bytes(16, 7)},
                   {"chip-factory", "locale-sz", uint32_t{1}},
                   {"chip-factory", "own", std::string("x")}};
  content.locales = {"de"};
  ASSERT_TRUE(AbsorbKnownKeys(content).ok());
  EXPECT_EQ(content.discriminator, 1234);
  EXPECT_EQ(content.serial_number, "esp32c_dev3");
  EXPECT_EQ(content.rotating_id, Bytes(16, 7));
  ASSERT_EQ(content.extra.size(), 1u);
  EXPECT_EQ(content.extra[0].key, "own");
  EXPECT_TRUE(content.placement.commissioning_in_secure_cert);
  EXPECT_EQ(ToHex(content.dac_key.view()), kTestDacKey);
}

TEST(ExtraKeys, OfATypeTheDeviceDoesNotFindAreRefused) {
  FactoryContent content = FullContent();
  content.extra = {{"chip-factory", "discriminator", uint16_t{1234}}};
  EXPECT_TRUE(HasReason(AbsorbKnownKeys(content), Reason::FIELD_MALFORMED));
  content.extra = {{"chip-factory", "hardware-ver", uint32_t{987654}}};
  const absl::Status large = AbsorbKnownKeys(content);
  EXPECT_EQ(large.message(), "chip-factory/hardware-ver: must be at most 65535");
  content.extra = {{"chip-factory", "salt", std::string("no base64!")}};
  EXPECT_TRUE(HasReason(AbsorbKnownKeys(content), Reason::FIELD_MALFORMED));
}

TEST(FactoryKeys, RefuseImagesWhoseListsAndCountsDisagree) {
  const auto malformed = [](std::vector<NvsEntry> entries) {
    return HasReason(FromNvsEntries(entries).status(), Reason::IMAGE_MALFORMED);
  };
  const std::string f = "chip-factory";
  EXPECT_TRUE(malformed({{f, "locale-sz", uint32_t{2}}, {f, "locale/0", std::string("de")}}));
  EXPECT_TRUE(malformed({{f, "locale/0", std::string("de")}}));
  EXPECT_TRUE(malformed({{f, "fl-sz/A", uint32_t{0}}}));
  EXPECT_TRUE(malformed({{f, "fl-sz/0", uint32_t{4000000000}}}));
  EXPECT_TRUE(malformed({{f, "discriminator", uint32_t{70000}}}));
  EXPECT_TRUE(malformed({{f, "vendor-id", uint16_t{1}}}));
}

TEST(Names, RunBothWays) {
  EXPECT_EQ(FinishOf("satin"), 2);
  EXPECT_EQ(FinishName(5), "fabric");
  EXPECT_EQ(ColorOf("Gold"), 20);
  EXPECT_EQ(ColorName(21), "");
  EXPECT_EQ(CalendarOf("Taiwanese"), 11);
  EXPECT_EQ(CalendarOf("Martian"), std::nullopt);
}

TEST(FixedLabelText, TakesDecimalAndHexEndpoints) {
  EXPECT_EQ(*ParseFixedLabel("1/room/kitchen"), (FixedLabel{1, "room", "kitchen"}));
  EXPECT_EQ(*ParseFixedLabel("0x1F/room/"), (FixedLabel{31, "room", ""}));
  for (const char* bad :
       {"", "1", "1/a", "1/a/b/c", "x/a/b", "a/a/b", "-1/a/b", "65535/a/b", " 1/a/b", "/a/b"}) {
    EXPECT_TRUE(HasReason(ParseFixedLabel(bad).status(), Reason::FIELD_MALFORMED)) << bad;
  }
}

TEST(SupportedModeText, TakesTheReferenceToolsForms) {
  EXPECT_EQ(*ParseSupportedMode("1/Quiet/1"), (SupportedMode{1, "Quiet", 1, {}}));
  EXPECT_EQ(*ParseSupportedMode("0/RapidCool/1/7\\0, 8\\0x8000"),
            (SupportedMode{1, "RapidCool", 0, {{7, 0}, {8, 0x8000}}}));
  for (const char* bad : {"", "1", "1/Quiet", "x/Quiet/1", "1//1", "256/Quiet/1", "1/Quiet/x",
                          "1/Quiet/1/", "1/Quiet/1/7", "1/Quiet/1/7\\", "1/Quiet/1/7\\0,",
                          "1/Quiet/1/7\\g", "1/Quiet/1/70000\\0", "1/Quiet/1/7\\0/9"}) {
    EXPECT_TRUE(HasReason(ParseSupportedMode(bad).status(), Reason::FIELD_MALFORMED)) << bad;
  }
}

}  // namespace
}  // namespace assay::image
