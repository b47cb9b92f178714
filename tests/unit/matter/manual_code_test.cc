#include "matter/manual_code.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

TEST(ManualCode, WritesAndReadsTheKnownAnswers) {
  const ManualCode short_code{.short_discriminator = 15, .passcode = 20202021};
  EXPECT_EQ(WriteManualCode(short_code), "34970112332");
  EXPECT_EQ(ReadManualCode("34970112332").value(), short_code);
  const ManualCode long_code{.short_discriminator = 9,
                             .passcode = 23005908,
                             .is_long = true,
                             .vendor_id = 0xFFF3,
                             .product_id = 0x8098};
  EXPECT_EQ(WriteManualCode(long_code), "619156140465523329207");
  EXPECT_EQ(ReadManualCode("619156140465523329207").value(), long_code);
}

TEST(ManualCode, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/manual_code_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("encode")) {
    const auto& input = row["input"];
    const ManualCode code{
        .short_discriminator = static_cast<uint8_t>(input["discriminator"].get<int>() >> 8),
        .passcode = input["passcode"],
        .is_long = input["flow"].get<int>() != 0,
        .vendor_id = input["vid"],
        .product_id = input["pid"]};
    EXPECT_EQ(WriteManualCode(code), row["code"].get<std::string>());
  }
  for (const auto& row : vectors->at("parse")) {
    const std::string digits = row["code"];
    const ManualCode expected{.short_discriminator = row["short_discriminator"],
                              .passcode = row["passcode"],
                              .is_long = digits.size() == kLongManualCodeSize,
                              .vendor_id = row["vid"],
                              .product_id = row["pid"]};
    EXPECT_EQ(ReadManualCode(digits).value(), expected) << digits;
    EXPECT_EQ(WriteManualCode(expected), digits);
    if (row["display"].is_string()) {
      EXPECT_EQ(ReadManualCode(row["display"].get<std::string>()).value(), expected);
    }
  }
  for (const auto& row : vectors->at("invalid")) {
    // Whether a readable passcode may stand on a label is onboarding.h's question.
    if (row["code"] == "01120767810") continue;
    EXPECT_TRUE(
        HasReason(ReadManualCode(row["code"].get<std::string>()).status(), Reason::FIELD_MALFORMED))
        << row;
  }
}

TEST(ManualCode, ARefusalDoesNotHoldTheDigits) {
  const absl::Status status = ReadManualCode("34970112331").status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.ToString().find("3497011"), std::string::npos);
}

TEST(ManualCode, IsGroupedForLabelsAndAsTheMfgToolDoes) {
  EXPECT_EQ(FormatManualCode("34970112332"), "3497-011-2332");
  EXPECT_EQ(FormatManualCode("745492075300001000013"), "7454-920-7530-00010-00013");
  EXPECT_EQ(FormatManualCode("34970112332", ManualCodeGrouping::kMfgTool), "3497-011-2332");
  EXPECT_EQ(FormatManualCode("745492075300001000013", ManualCodeGrouping::kMfgTool),
            "7454-920-7530\n0001-000-01-3");
  EXPECT_EQ(FormatManualCode("12"), "12");
  EXPECT_EQ(ReadManualCode("7454-920-7530-00010-00013").value(),
            ReadManualCode("745492075300001000013").value());
}

}  // namespace
}  // namespace assay::matter
