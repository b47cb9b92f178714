#include "matter/ota_image.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

OtaHeader Header() {
  return {.vendor_id = 0xFFF1,
          .product_id = 0x8001,
          .software_version = 10,
          .software_version_string = "1.0.10",
          .min_applicable_version = 3,
          .max_applicable_version = 9,
          .release_notes_url = "https://example.com/rn"};
}
Bytes Payload() { return ToBytes(AsBytes("Matter OTA test payload 0123456789")); }

TEST(OtaImage, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/ota/ota_image_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("vectors")) {
    const Bytes file = test::HexOf(row["image_hex"]);
    const auto image = VerifyOtaImage(file);
    if (row["expect"] != "ok") {
      EXPECT_TRUE(HasReason(image.status(), Reason::IMAGE_MALFORMED)) << row["name"];
      continue;
    }
    ASSERT_TRUE(image.ok()) << row["name"] << image.status();
    EXPECT_EQ(image->header.vendor_id, row["vid"]);
    EXPECT_EQ(image->header.product_id, row["pid"]);
    EXPECT_EQ(image->header.software_version, row["software_version"]);
    EXPECT_EQ(image->header.software_version_string, row["software_version_string"]);
    EXPECT_EQ(image->payload.size(), row["payload_size"]);
    EXPECT_EQ(image->header.min_applicable_version.has_value(), row.contains("min_applicable"));
    EXPECT_EQ(image->header.release_notes_url.has_value(), row.contains("release_notes_url"));
    EXPECT_EQ(static_cast<int>(image->header.digest_type), row["digest_type"]);
    EXPECT_EQ(ToHex(image->digest), row["digest_hex"].get<std::string>());
    const auto packed = PackOtaImage(image->header, image->payload);
    if (row["digest_type"] == 9) {
      EXPECT_TRUE(HasReason(packed.status(), Reason::FIELD_NOT_ALLOWED));
    } else {
      EXPECT_EQ(packed.value(), file) << row["name"];
    }
  }
}

TEST(OtaImage, ReadsBackWhatItPacksWithEveryDigest) {
  for (OtaDigest digest : {OtaDigest::kSha256, OtaDigest::kSha384, OtaDigest::kSha512,
                           OtaDigest::kSha3_256, OtaDigest::kSha3_384, OtaDigest::kSha3_512}) {
    OtaHeader header = Header();
    header.digest_type = digest;
    const Bytes file = PackOtaImage(header, Payload()).value();
    const auto image = VerifyOtaImage(file);
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->header.digest_type, digest);
    EXPECT_EQ(image->header.max_applicable_version, 9u);
    EXPECT_EQ(ToBytes(image->payload), Payload());
  }
}

TEST(OtaImage, EveryChangedByteIsFound) {
  const Bytes file = PackOtaImage(Header(), Payload()).value();
  for (size_t at = 0; at < file.size(); ++at) {
    Bytes changed = file;
    changed[at] ^= 0x01;
    const auto image = VerifyOtaImage(changed);
    // The header itself is not covered by the digest: a change there may read as another header.
    const bool is_other_header =
        image.ok() && PackOtaImage(image->header, image->payload).value() == changed;
    EXPECT_TRUE(!image.ok() || is_other_header) << "byte " << at;
  }
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseOtaImage(ByteView(file).first(size)).ok());
  }
}

TEST(OtaImage, HeadersTheSdkToolRefusesAreRefusedByField) {
  const auto field = [](void (*spoil)(OtaHeader&)) {
    OtaHeader header = Header();
    spoil(header);
    const absl::Status status = PackOtaImage(header, Payload()).status();
    return status.ok() ? "" : RefusalOf(status)->field;
  };
  EXPECT_EQ(field([](OtaHeader& h) { h.vendor_id = 0; }), "vendor_id");
  EXPECT_EQ(field([](OtaHeader& h) { h.product_id = 0; }), "product_id");
  EXPECT_EQ(field([](OtaHeader& h) { h.software_version_string = ""; }), "software_version_string");
  EXPECT_EQ(field([](OtaHeader& h) { h.software_version_string = std::string(65, '1'); }),
            "software_version_string");
  EXPECT_EQ(field([](OtaHeader& h) { h.min_applicable_version = 10; }), "min_applicable_version");
  EXPECT_EQ(field([](OtaHeader& h) { h.max_applicable_version = 10; }), "max_applicable_version");
  EXPECT_EQ(field([](OtaHeader& h) { h.max_applicable_version = 2; }), "max_applicable_version");
  EXPECT_EQ(field([](OtaHeader& h) { h.release_notes_url = "http://example.com"; }),
            "release_notes_url");
  EXPECT_EQ(field([](OtaHeader& h) { h.release_notes_url = "https://" + std::string(249, 'x'); }),
            "release_notes_url");
  EXPECT_EQ(field([](OtaHeader& h) { h.digest_type = static_cast<OtaDigest>(6); }), "digest_type");
}

TEST(OtaImage, AnImageForAllProductsMustBeAskedFor) {
  OtaHeader header = Header();
  header.product_id = 0;
  const Bytes file = PackOtaImage(header, Payload(), OtaProducts::kAllProducts).value();
  EXPECT_FALSE(VerifyOtaImage(file).ok());
  EXPECT_TRUE(VerifyOtaImage(file, OtaProducts::kAllProducts).ok());
}

TEST(OtaImage, TheLedgerRecordHoldsTheWholeFilesChecksum) {
  const OtaLedgerFields fields = DescribeForLedger(AsBytes("abc"));
  EXPECT_EQ(fields.ota_file_size, 3u);
  EXPECT_EQ(fields.ota_checksum, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  EXPECT_EQ(fields.ota_checksum_type, 1);
}

}  // namespace
}  // namespace assay::matter
