// The defects of mfg_tool 1.0.23 and of the generators below it that would make a wrong image; each
// test is named after one. docs/formats.md lists them all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/refusal.h"
#include "image/image.h"
#include "image/inspect.h"
#include "image/nvs_encryption.h"
#include "tests/unit/image/factory_fixture.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

using ::testing::HasSubstr;

const ImageFile& SecureCertOf(const std::vector<ImageFile>& files) {
  return *std::find_if(files.begin(), files.end(), [](const ImageFile& file) {
    return file.kind == ImageFileKind::kSecureCert;
  });
}

// The original stages certificates and key in files named by a four-digit hash; about three devices
// in ten thousand lose an entry or get the PAI twice. Here nothing is staged, and an image in which
// that had happened is refused when it is read back.
TEST(DefectWrongDevice, SecureCertEntriesAreNeverMixedUp) {
  FactoryContent content = FullContent();
  content.placement.attestation_in_secure_cert = true;
  RepeatableRandom random(4);
  for (int unit = 0; unit < 12000; ++unit) {
    std::vector<SecureCertEntry> entries;
    const Bytes dac = random.Draw(500), pai = random.Draw(450), key = random.Draw(kSec1KeySize);
    entries.emplace_back(SecureCertType::kDeviceCertificate, 0, dac);
    entries.emplace_back(SecureCertType::kCaCertificate, 0, pai);
    entries.emplace_back(SecureCertType::kPrivateKey, 0, key);
    const auto image = BuildSecureCert(entries, {SecureCertTail::kShort});
    ASSERT_TRUE(image.ok()) << image.status();
    const auto found = ParseSecureCert(image->view());
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->size(), 3u);
    ASSERT_EQ(ToBytes(FindEntry(*found, SecureCertType::kDeviceCertificate)->data.view()), dac);
    ASSERT_EQ(ToBytes(FindEntry(*found, SecureCertType::kCaCertificate)->data.view()), pai);
    ASSERT_EQ(ToBytes(FindEntry(*found, SecureCertType::kPrivateKey)->data.view()), key);
  }
}

TEST(DefectWrongDevice, SecureCertWithThePaiInTheDacsPlaceOrWithoutDacIsRefused) {
  FactoryContent content = FullContent();
  content.placement.attestation_in_secure_cert = true;
  RepeatableRandom random(4);
  auto files = BuildProvenImage(content, {}, "u", random);
  ASSERT_TRUE(files.ok()) << files.status();
  const auto reads_back = [&](std::vector<SecureCertEntry> entries) {
    std::vector<ImageFile> changed;
    for (const ImageFile& file : *files) {
      changed.push_back(file.Clone());
      if (file.kind != ImageFileKind::kSecureCert) continue;
      changed.back().bytes = *BuildSecureCert(entries, {});
    }
    const auto found = FindImageFormat("esp32")->ReadBack(changed, {});
    return found.ok() && CompareFactoryContent(ContentInImage(content, {}), *found).ok();
  };
  const auto entries = [&] { return *ParseSecureCert(SecureCertOf(*files).bytes.view()); };
  ASSERT_TRUE(reads_back(entries()));
  auto pai_twice = entries();
  pai_twice[0].data = SecretBytes::CopyOf(TestBytes(kTestPai));
  EXPECT_FALSE(reads_back(std::move(pai_twice)));
  auto no_dac = entries();
  no_dac.erase(no_dac.begin());
  EXPECT_FALSE(reads_back(std::move(no_dac)));
}

TEST(DefectWrongDevice, ANamespaceReturnedToKeepsItsOwnKeys) {
  const std::vector<NvsEntry> entries = {{"app", "a", uint8_t{1}},
                                         {"other", "b", uint8_t{2}},
                                         {"app", "c", uint8_t{3}},
                                         {"other", "d", uint8_t{4}}};
  const auto image = BuildNvs(entries, {0x3000});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(*ParseNvs(image->view()), entries);
}

TEST(DefectWrongDevice, TextAsBinaryHasItsLengthInBytes) {
  const auto entries =
      ReadPartitionCsv("key,type,encoding,value\nns,namespace,,\ntown,data,binary,K\xC3\xB6ln\n",
                       "p.csv", [](std::string_view) -> absl::StatusOr<Bytes> { return Bytes(); });
  ASSERT_TRUE(entries.ok()) << entries.status();
  const auto image = BuildNvs(*entries, {0x3000});
  ASSERT_TRUE(image.ok());
  const auto back = ParseNvs(image->view());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<Bytes>(back->front().value), ToBytes(AsBytes("K\xC3\xB6ln")));
  EXPECT_EQ(std::get<Bytes>(back->front().value).size(), 5u);
}

TEST(DefectWrongDevice, DuplicateKeysAreRefused) {
  EXPECT_TRUE(HasReason(BuildNvs({{"a", "k", uint8_t{1}}, {"a", "k", uint8_t{2}}}, {}).status(),
                        Reason::FIELDS_CONTRADICT));
  const auto schema = ReadCsvSchema("k,data,u8\nother,namespace,\nk,data,u8\n", "mfg.csv");
  EXPECT_TRUE(schema.ok()) << "the same key of two namespaces is two keys";
  EXPECT_THAT(std::string(ReadCsvSchema("k,data,u8\nk,data,u8\n", "mfg.csv").status().message()),
              HasSubstr("mfg.csv line 2"));
}

TEST(DefectWrongDevice, EncryptionKeysAreDrawnFromTheGivenSourceAndDifferFromUnitToUnit) {
  ImageOptions options;
  options.protection = NvsProtection::kKeyPartition;
  SystemRandom random;
  const auto a = BuildProvenImage(FullContent(), options, "u", random);
  const auto b = BuildProvenImage(FullContent(), options, "u", random);
  ASSERT_TRUE(a.ok() && b.ok());
  const auto key_a = ParseKeyPartition((*a)[1].bytes.view());
  const auto key_b = ParseKeyPartition((*b)[1].bytes.view());
  ASSERT_TRUE(key_a.ok() && key_b.ok());
  EXPECT_NE(ToBytes(key_a->view()), ToBytes(key_b->view()));
}

TEST(DefectWrongDevice, NoPlaintextKeyLiesInTheImageOfAnEcdsaPeripheral) {
  FactoryContent content = FullContent();
  content.placement.attestation_in_secure_cert = true;
  for (uint8_t block = 0; block <= 5; ++block) {
    ImageOptions options;
    options.efuse_key_id = block;
    RepeatableRandom random(block);
    const auto files = BuildProvenImage(content, options, "u", random);
    ASSERT_TRUE(files.ok()) << files.status();
    const Bytes key = TestBytes(kTestDacKey);
    Bytes backwards(key.rbegin(), key.rend());
    for (const ImageFile& file : *files) {
      const ByteView bytes = file.bytes.view();
      const bool holds =
          std::search(bytes.begin(), bytes.end(), key.begin(), key.end()) != bytes.end() ||
          std::search(bytes.begin(), bytes.end(), backwards.begin(), backwards.end()) !=
              bytes.end();
      EXPECT_EQ(holds, file.kind == ImageFileKind::kEcdsaEfuseKey) << file.name;
      EXPECT_EQ(file.key_material, file.kind == ImageFileKind::kEcdsaEfuseKey) << file.name;
    }
    const auto inspection = InspectImage(SecureCertOf(*files).bytes.view(), {});
    ASSERT_TRUE(inspection.ok());
    EXPECT_TRUE(inspection->sound());
  }
}

// ---- bad input: nothing half right passes ----

TEST(DefectChecks, AnImageTooSmallSaysHowManyBytesAreMissing) {
  FactoryContent content = FullContent();
  ImageOptions options;
  options.nvs_options.size = 0x1000;
  content.extra = {{"mine", "picture", Bytes(4096)}};
  RepeatableRandom random(1);
  const auto files = BuildProvenImage(content, options, "u", random);
  ASSERT_TRUE(HasReason(files.status(), Reason::IMAGE_TOO_SMALL)) << files.status();
  EXPECT_THAT(std::string(files.status().message()),
              HasSubstr("needs 8192 bytes of partition, 4096 more"));
  std::vector<SecureCertEntry> entries;
  entries.emplace_back(SecureCertType::kCaCertificate, 0, Bytes(4096));
  const auto small = BuildSecureCert(entries, {SecureCertTail::kPadded, 0x1000});
  ASSERT_TRUE(HasReason(small.status(), Reason::IMAGE_TOO_SMALL)) << small.status();
  EXPECT_THAT(std::string(small.status().message()), HasSubstr("need 4116 bytes, 20 more"));
}

TEST(DefectChecks, AnEncryptedImageWithoutOrWithWrongKeysIsNeverFineWithNoEntries) {
  for (const auto protection : {NvsProtection::kKeyPartition, NvsProtection::kHmac}) {
    ImageOptions options;
    options.protection = protection;
    RepeatableRandom random(1);
    const auto mine = *BuildProvenImage(FullContent(), options, "u", random);
    const auto other = *BuildProvenImage(FullContent(), options, "u", random);
    const auto without = InspectImage(mine[0].bytes.view(), {});
    ASSERT_TRUE(without.ok()) << without.status();
    EXPECT_FALSE(without->sound());
    EXPECT_THAT(InspectionText(*without), HasSubstr("NOT SOUND"));
    const auto wrong = InspectImage(mine[0].bytes.view(), {.nvs_keys = other[1].bytes.view()});
    ASSERT_TRUE(wrong.ok()) << wrong.status();
    EXPECT_FALSE(wrong->sound());
    EXPECT_THAT(InspectionText(*wrong), HasSubstr("NOT SOUND"));
    std::vector<ImageFile> mixed;
    mixed.push_back(mine[0].Clone());
    mixed.push_back(other[1].Clone());
    EXPECT_TRUE(HasReason(FindImageFormat("esp32")->ReadBack(mixed, options).status(),
                          Reason::IMAGE_MALFORMED));
  }
}

TEST(DefectChecks, ATruncatedOrCorruptedImageIsNamedAtItsPlace) {
  RepeatableRandom random(1);
  const auto files = *BuildProvenImage(FullContent(), {}, "u", random);
  Bytes image = ToBytes(files[0].bytes.view());
  EXPECT_TRUE(HasReason(InspectImage(ByteView(image).first(image.size() - 1), {}).status(),
                        Reason::IMAGE_MALFORMED));
  image[64 + 32 * 5 + 26] ^= 1;  // the sixth entry's data
  const auto inspection = InspectImage(image, {});
  ASSERT_TRUE(inspection.ok());
  ASSERT_FALSE(inspection->sound());
  EXPECT_THAT(inspection->faults.front(), HasSubstr("page 0 slot"));
}

TEST(DefectChecks, EveryMalformedTlvLengthIsRefused) {
  FactoryContent content = FullContent();
  content.placement.attestation_in_secure_cert = true;
  RepeatableRandom random(1);
  const auto files = *BuildProvenImage(content, {}, "u", random);
  const Bytes good = ToBytes(SecureCertOf(files).bytes.view());
  size_t offset = 0;
  size_t entries = 0;
  for (const SecureCertRecord& record : ReadSecureCert(good).records) {
    offset = record.offset;
    const size_t length = record.entry.data.size();
    for (const size_t wrong : {size_t{0}, length - 1, length + 1, length + 16, size_t{0x1FF0},
                               size_t{0x2000}, size_t{0xFFFF}}) {
      Bytes bad = good;
      bad[offset + 10] = static_cast<uint8_t>(wrong);
      bad[offset + 11] = static_cast<uint8_t>(wrong >> 8);
      EXPECT_TRUE(HasReason(ParseSecureCert(bad).status(), Reason::IMAGE_MALFORMED))
          << "entry " << entries << " with length " << wrong;
    }
    ++entries;
  }
  EXPECT_EQ(entries, 3u);
}

}  // namespace
}  // namespace assay::image
