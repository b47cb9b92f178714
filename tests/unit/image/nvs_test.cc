#include "image/nvs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/refusal.h"
#include "image/nvs_encryption.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

using ::testing::HasSubstr;

Bytes Built(const std::vector<NvsEntry>& entries, const NvsOptions& options) {
  auto image = BuildNvs(entries, options);
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? ToBytes(image->view()) : Bytes();
}

TEST(EspCrc32, StartsAtZero) {
  EXPECT_EQ(EspCrc32({}), 0xFFFFFFFFu);
  EXPECT_EQ(EspCrc32(AsBytes("123456789")), 0xD202D277u);
}

TEST(EspCrc32, IsZlibsAtEveryLength) {
  Bytes bytes(400);
  uint32_t state = 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const ByteView tail = ByteView(bytes).last(size);
    ASSERT_EQ(EspCrc32(tail), crc32(0xFFFFFFFF, tail.data(), static_cast<uInt>(size))) << size;
  }
}

struct Golden {
  const char* table;
  const char* image;
  NvsOptions options;
};

class NvsGolden : public ::testing::TestWithParam<Golden> {};

TEST_P(NvsGolden, IsByteForByteTheGenerators) {
  ASSAY_NEED_VECTORS();
  const auto entries = VectorEntries(GetParam().table);
  ASSERT_TRUE(entries.ok()) << entries.status();
  const Bytes image = Built(*entries, GetParam().options);
  EXPECT_EQ(image, *MfgVector(GetParam().image));
  const auto back = ParseNvs(image);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, *entries);
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, NvsGolden,
    ::testing::Values(
        Golden{"nvs/all_types.csv", "nvs/all_types.0x3000.bin", {0x3000}},
        Golden{"nvs/all_types.csv", "nvs/all_types.ro.0x1000.bin", {0x1000}},
        Golden{"nvs/all_types.csv", "nvs/all_types.ro.0x2000.bin", {0x2000}},
        Golden{"nvs/string_exact_fit_moves.csv", "nvs/string_exact_fit_moves.0x3000.bin", {0x3000}},
        Golden{"nvs/string_one_free_stays.csv", "nvs/string_one_free_stays.0x3000.bin", {0x3000}},
        Golden{"nvs/blob_last_slot.csv", "nvs/blob_last_slot.0x3000.bin", {0x3000}},
        Golden{"nvs/blob_fills_page.csv", "nvs/blob_fills_page.0x3000.bin", {0x3000}},
        Golden{"nvs/blob_leaves_one.csv", "nvs/blob_leaves_one.0x3000.bin", {0x3000}},
        Golden{"nvs/blob_multipage.csv", "nvs/blob_multipage.0x5000.bin", {0x5000}},
        Golden{"nvs/v1_blob.csv", "nvs/v1_blob.v1.0x3000.bin", {0x3000, NvsVersion::kV1}},
        Golden{"mcsv_run/dev0.partition.csv", "mcsv_run/dev0.partition.0x3000.bin", {0x3000}},
        Golden{"mcsv_run/dev1.partition.csv", "mcsv_run/dev1.partition.0x3000.bin", {0x3000}},
        Golden{"fixed_run/partition.csv", "fixed_run/partition.0x6000.bin", {0x6000}}));

TEST(Nvs, ReadsTheTwoPageReadOnlyImage) {
  ASSAY_NEED_VECTORS();
  const Bytes golden = *MfgVector("nvs/two_pages.ro.0x2000.bin");
  const auto entries = ParseNvs(golden);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(Built(*entries, {0x2000}), golden);
}

TEST(Nvs, FilesAKeyUnderItsOwnNamespaceWhereTheGeneratorDoesNot) {
  ASSAY_NEED_VECTORS();
  const auto entries = VectorEntries("nvs/quirk_ns_revisit.csv");
  ASSERT_TRUE(entries.ok()) << entries.status();
  const Bytes image = Built(*entries, {0x3000});
  EXPECT_NE(image, *MfgVector("nvs/quirk_ns_revisit.0x3000.bin"));
  const auto back = ParseNvs(image);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->size(), 3u);
  EXPECT_EQ((*back)[2], NvsEntry("app", "c", uint8_t{3}));
  // The generator's own image shows the defect.
  const auto wrong = ParseNvs(*MfgVector("nvs/quirk_ns_revisit.0x3000.bin"));
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_EQ((*wrong)[2], NvsEntry("other", "c", uint8_t{3}));
}

std::vector<NvsEntry> RandomEntries(RepeatableRandom& random, NvsVersion version) {
  std::vector<NvsEntry> entries;
  const size_t count = random.Below(60);
  for (size_t i = 0; i < count; ++i) {
    const std::string name_space = "ns" + std::to_string(random.Below(5));
    const std::string key = "k" + std::to_string(i) + std::string(random.Below(10), 'x');
    NvsValue value;
    switch (random.Below(10)) {
      case 0:
        value = static_cast<uint8_t>(random.Below(256));
        break;
      case 1:
        value = static_cast<int8_t>(random.Below(256));
        break;
      case 2:
        value = static_cast<uint16_t>(random.Below(65536));
        break;
      case 3:
        value = static_cast<int16_t>(random.Below(65536));
        break;
      case 4:
        value = static_cast<uint32_t>(random.Below(~uint64_t{0}));
        break;
      case 5:
        value = static_cast<int32_t>(random.Below(~uint64_t{0}));
        break;
      case 6:
        value = random.Below(~uint64_t{0});
        break;
      case 7:
        value = static_cast<int64_t>(random.Below(~uint64_t{0}));
        break;
      case 8:
        value = std::string(random.Below(random.Below(8) == 0 ? kNvsMaxString + 1 : 200), 'a');
        break;
      default: {
        const size_t longest = version == NvsVersion::kV1 ? kNvsMaxBlobV1 : 6000;
        value = random.Draw(random.Below(random.Below(8) == 0 ? longest + 1 : 200));
      }
    }
    entries.emplace_back(name_space, key.substr(0, 15), std::move(value));
  }
  return entries;
}

TEST(Nvs, ReadsBackThousandsOfRandomImages) {
  RepeatableRandom random(20240229);
  size_t built = 0, too_small = 0;
  for (int round = 0; round < 4000; ++round) {
    const NvsVersion version = random.Below(4) == 0 ? NvsVersion::kV1 : NvsVersion::kV2;
    const NvsOptions options{4096 * (1 + random.Below(8)), version};
    const std::vector<NvsEntry> entries = RandomEntries(random, version);
    auto image = BuildNvs(entries, options);
    if (!image.ok()) {
      ASSERT_TRUE(HasReason(image.status(), Reason::IMAGE_TOO_SMALL)) << image.status();
      const auto needed = NvsBytesNeeded(entries, version);
      ASSERT_TRUE(needed.ok() && BuildNvs(entries, {*needed, version}).ok());
      ASSERT_GT(*needed, options.size);
      ++too_small;
      continue;
    }
    ++built;
    if (round % 4 == 0) {
      const SecretBytes key = DrawXtsKey(random);
      ASSERT_TRUE(EncryptNvs({image->data(), image->size()}, key.view()).ok());
      ASSERT_TRUE(entries.empty() || !ParseNvs(image->view()).ok());
      ASSERT_TRUE(DecryptNvs({image->data(), image->size()}, key.view()).ok());
    }
    const auto back = ParseNvs(image->view());
    ASSERT_TRUE(back.ok()) << back.status();
    ASSERT_EQ(*back, entries);
  }
  EXPECT_GT(built, 1000u);
  EXPECT_GT(too_small, 100u);
}

TEST(Nvs, SaysHowManyBytesAnImageIsShort) {
  const std::vector<NvsEntry> entries = {{"a", "blob", Bytes(9000)}};
  const auto image = BuildNvs(entries, {0x3000});
  ASSERT_TRUE(HasReason(image.status(), Reason::IMAGE_TOO_SMALL));
  EXPECT_THAT(std::string(image.status().message()),
              HasSubstr("needs 16384 bytes of partition, 4096 more"));
}

TEST(Nvs, RefusesWhatTheDeviceWouldDrop) {
  const auto reason = [](std::vector<NvsEntry> entries, NvsOptions options = {}) {
    const auto refusal = RefusalOf(BuildNvs(entries, options).status());
    return refusal ? refusal->reason : Reason::INTERNAL;
  };
  EXPECT_EQ(reason({{"a", "sixteen_bytes_xx", uint8_t{1}}}), Reason::FIELD_TOO_LONG);
  EXPECT_EQ(reason({{"sixteen_bytes_xx", "a", uint8_t{1}}}), Reason::FIELD_TOO_LONG);
  EXPECT_EQ(reason({{"a", "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4",
                     uint8_t{1}}}),
            Reason::FIELD_TOO_LONG)
      << "eight characters, sixteen bytes";
  EXPECT_EQ(reason({{"a", "", uint8_t{1}}}), Reason::FIELD_REQUIRED);
  EXPECT_EQ(reason({{"a", "s", std::string(kNvsMaxString + 1, 'x')}}), Reason::FIELD_TOO_LONG);
  EXPECT_EQ(reason({{"a", "s", std::string("a\0b", 3)}}), Reason::FIELD_MALFORMED);
  EXPECT_EQ(reason({{"a", "b", Bytes(kNvsMaxBlobV1 + 1)}}, {0x6000, NvsVersion::kV1}),
            Reason::FIELD_TOO_LONG);
  EXPECT_EQ(reason({{"a", "k", uint8_t{1}}, {"a", "k", uint8_t{2}}}), Reason::FIELDS_CONTRADICT);
  EXPECT_EQ(reason({}, {0x1800}), Reason::FIELD_OUT_OF_RANGE);
  EXPECT_EQ(reason({}, {0}), Reason::FIELD_OUT_OF_RANGE);
}

TEST(NvsReader, FindsAnyChangedBitOfWhatIsWritten) {
  const std::vector<NvsEntry> entries = {
      {"a", "n", uint32_t{7}}, {"a", "s", std::string("text")}, {"b", "blob", Bytes(70, 0x5A)}};
  const Bytes image = Built(entries, {0x1000});
  size_t unnoticed = 0;
  for (size_t bit = 0; bit < 8 * image.size(); ++bit) {
    Bytes changed = image;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto back = ParseNvs(changed);
    // Page states differ by single bits and say nothing about content, and 0xFF bytes without a CRC
    // carry none.
    if (back.ok() && *back == entries) {
      ++unnoticed;
      EXPECT_TRUE(bit / 8 < 4 || (bit / 8 >= 63 && bit / 8 < 64)) << "byte " << bit / 8;
    }
  }
  EXPECT_LE(unnoticed, 10u);
}

TEST(NvsReader, RefusesErasedTruncatedAndForeignBytes) {
  EXPECT_TRUE(HasReason(ParseNvs(Bytes(0x3000, 0xFF)).status(), Reason::IMAGE_MALFORMED));
  EXPECT_TRUE(HasReason(ParseNvs(Bytes(0x3000, 0)).status(), Reason::IMAGE_MALFORMED));
  EXPECT_TRUE(HasReason(ParseNvs({}).status(), Reason::IMAGE_MALFORMED));
  const Bytes image = Built({{"a", "n", uint32_t{7}}}, {0x1000});
  EXPECT_TRUE(HasReason(ParseNvs(ByteView(image).first(4095)).status(), Reason::IMAGE_MALFORMED));
}

TEST(NvsReader, RefusesAnImageCutOffWithinABlob) {
  const Bytes image = Built({{"a", "blob", Bytes(9000, 1)}}, {0x5000});
  EXPECT_TRUE(HasReason(ParseNvs(ByteView(image).first(0x2000)).status(), Reason::IMAGE_MALFORMED));
}

TEST(NvsReader, SurvivesRandomBytes) {
  RepeatableRandom random(7);
  for (int round = 0; round < 2000; ++round) {
    Bytes image = Built({{"a", "s", std::string("text")}, {"a", "b", random.Draw(300)}}, {0x2000});
    for (size_t i = random.Below(20) + 1; i > 0; --i) {
      image[random.Below(600)] = static_cast<uint8_t>(random.Below(256));
    }
    const auto reading = ReadNvs(image);
    ASSERT_TRUE(reading.ok());
  }
}

}  // namespace
}  // namespace assay::image
