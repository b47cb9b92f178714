#include "matter/verhoeff.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

TEST(Verhoeff, GivesTheKnownDigits) {
  EXPECT_EQ(VerhoeffDigit("236"), '3');
  EXPECT_EQ(VerhoeffDigit("78324562830019274123748"), '4');
  EXPECT_TRUE(EndsWithVerhoeffDigit("123451"));
  EXPECT_FALSE(EndsWithVerhoeffDigit("123456"));
  EXPECT_FALSE(EndsWithVerhoeffDigit(""));
  EXPECT_FALSE(EndsWithVerhoeffDigit("12x45"));
}

TEST(Verhoeff, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/verhoeff_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("check_digit")) {
    EXPECT_EQ(VerhoeffDigit(row["digits"].get<std::string>()), row["check"].get<std::string>()[0]);
  }
  for (const auto& row : vectors->at("valid")) {
    EXPECT_TRUE(EndsWithVerhoeffDigit(row.get<std::string>())) << row;
  }
  for (const auto& row : vectors->at("invalid")) {
    EXPECT_FALSE(EndsWithVerhoeffDigit(row.get<std::string>())) << row;
  }
  for (const auto& row : vectors->at("illegal_characters")) {
    EXPECT_EQ(VerhoeffDigit(row.get<std::string>()), std::nullopt) << row;
  }
}

TEST(Verhoeff, CatchesEveryWrongDigitAndEverySwapOfNeighbours) {
  const std::string good = "34970112332";
  ASSERT_TRUE(EndsWithVerhoeffDigit(good));
  for (size_t at = 0; at < good.size(); ++at) {
    for (char digit = '0'; digit <= '9'; ++digit) {
      std::string text = good;
      text[at] = digit;
      EXPECT_EQ(EndsWithVerhoeffDigit(text), text == good) << text;
    }
    if (at == 0) continue;
    std::string text = good;
    std::swap(text[at - 1], text[at]);
    EXPECT_EQ(EndsWithVerhoeffDigit(text), text == good) << text;
  }
}

}  // namespace
}  // namespace assay::matter
