#include "matter/rotating_id.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

TEST(RotatingId, TheSdkExampleGivesTheSdkId) {
  const Bytes unique_id = FromHex("00112233445566778899AABBCCDDEEFF").value();
  EXPECT_EQ(ToUpperHex(ComputeRotatingId(unique_id, 10).value()),
            "0A00D00561E77A68A9FD975057375B9283A8");
  EXPECT_EQ(ToUpperHex(ComputeRotatingId(unique_id, 65535).value()),
            "FFFF8BEA0C775F001981365D6362E1C0665A");
}

TEST(RotatingId, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/rotating_id_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("vectors")) {
    const auto id = ComputeRotatingId(test::HexOf(row["unique_id_hex"]), row["lifetime_counter"]);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(ToBytes(*id), test::HexOf(row["rotating_device_id_hex"]));
    EXPECT_EQ(EncodeAdditionalData(*id), test::HexOf(row["additional_data_payload_hex"]));
    EXPECT_EQ(ParseAdditionalData(EncodeAdditionalData(*id)).value(), ToBytes(*id));
  }
  const Bytes none = test::HexOf(vectors->at("no_rotating_id_payload_hex"));
  EXPECT_EQ(EncodeAdditionalData(std::nullopt), none);
  EXPECT_TRUE(ParseAdditionalData(none).value().empty());
  for (const auto& row : vectors->at("invalid_payloads")) {
    const bool is_shorter =
        row["why"].get<std::string>().find("accepts shorter") != std::string::npos;
    EXPECT_EQ(ParseAdditionalData(test::HexOf(row["hex"])).ok(), is_shorter) << row;
  }
}

TEST(RotatingId, AUniqueIdIsLongEnoughAndNotBlank) {
  EXPECT_TRUE(HasReason(CheckUniqueId(Bytes(15, 1)), Reason::FIELD_OUT_OF_RANGE));
  EXPECT_TRUE(HasReason(CheckUniqueId(Bytes(33, 1)), Reason::FIELD_OUT_OF_RANGE));
  EXPECT_TRUE(HasReason(CheckUniqueId(Bytes(16, 0xFF)), Reason::FIELD_NOT_ALLOWED));
  SystemRandom random;
  EXPECT_TRUE(CheckUniqueId(DrawUniqueId(random).view()).ok());
  EXPECT_EQ(DrawUniqueId(random, 1).size(), kMinUniqueIdSize);
  EXPECT_EQ(DrawUniqueId(random, 99).size(), kMaxUniqueIdSize);
}

}  // namespace
}  // namespace assay::matter
