#include "matter/base38.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/refusal.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

TEST(Base38, WritesAndReadsTheKnownAnswers) {
  EXPECT_EQ(ToBase38(FromHex("48656c6c6f20576f726c6421").value()), "KKHF3W2S013OPM3EJX11");
  EXPECT_EQ(FromBase38("KKHF3W2S013OPM3EJX11").value(),
            FromHex("48656c6c6f20576f726c6421").value());
  EXPECT_EQ(ToBase38({}), "");
  EXPECT_TRUE(FromBase38("").value().empty());
}

TEST(Base38, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/base38_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("encode")) {
    const Bytes bytes = test::HexOf(row["hex"]);
    EXPECT_EQ(ToBase38(bytes), row["text"].get<std::string>());
    EXPECT_EQ(FromBase38(row["text"].get<std::string>()).value(), bytes);
  }
  for (const auto& row : vectors->at("invalid")) {
    EXPECT_TRUE(
        HasReason(FromBase38(row["text"].get<std::string>()).status(), Reason::FIELD_MALFORMED))
        << row["text"];
  }
}

TEST(Base38, ReadsBackWhateverItWrites) {
  SystemRandom random;
  for (size_t size = 0; size < 100; ++size) {
    const Bytes bytes = random.Draw(size);
    EXPECT_EQ(FromBase38(ToBase38(bytes)).value(), bytes);
  }
}

TEST(Base38, RefusesLengthsNoEncoderMakesAndLowerCase) {
  for (const char* text : {"0", "000", "000000", "00000000", "a0", "\xC3\x84"}) {
    EXPECT_FALSE(FromBase38(text).ok()) << text;
  }
}

}  // namespace
}  // namespace assay::matter
