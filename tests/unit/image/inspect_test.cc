#include "image/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/refusal.h"
#include "image/image.h"
#include "tests/unit/image/factory_fixture.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<ImageFile> Files(const ImageOptions& options, const FactoryContent& content) {
  RepeatableRandom random(1);
  auto files = BuildProvenImage(content, options, "u", random);
  EXPECT_TRUE(files.ok()) << files.status();
  return files.ok() ? *std::move(files) : std::vector<ImageFile>();
}

TEST(Inspect, PrintsEveryEntryOfAnNvsImageAndMasksSecrets) {
  const auto files = Files({}, FullContent());
  const auto inspection = InspectImage(files[0].bytes.view(), {});
  ASSERT_TRUE(inspection.ok()) << inspection.status();
  EXPECT_EQ(inspection->kind, InspectedKind::kNvs);
  EXPECT_TRUE(inspection->sound());
  EXPECT_EQ(inspection->items.size(), ToNvsEntries(FullContent()).size());
  const std::string text = InspectionText(*inspection);
  EXPECT_THAT(text, HasSubstr("chip-factory/serial-num"));
  EXPECT_THAT(text, HasSubstr("VEC0000000000001"));
  EXPECT_THAT(text, Not(HasSubstr(std::string(kTestDacKey))));
  EXPECT_THAT(text, HasSubstr("***"));
  const auto open = InspectImage(files[0].bytes.view(), {.nvs_keys = {}, .show_secrets = true});
  EXPECT_THAT(InspectionText(*open), HasSubstr(std::string(kTestDacKey)));
}

TEST(Inspect, NeedsTheKeysOfAnEncryptedImage) {
  ImageOptions options;
  options.protection = NvsProtection::kKeyPartition;
  const auto files = Files(options, FullContent());
  const auto closed = InspectImage(files[0].bytes.view(), {});
  ASSERT_TRUE(closed.ok());
  EXPECT_FALSE(closed->sound());
  const auto opened = InspectImage(files[0].bytes.view(), {.nvs_keys = files[1].bytes.view()});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->sound());
  const auto keys = InspectImage(files[1].bytes.view(), {});
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->kind, InspectedKind::kNvsKeys);
  EXPECT_TRUE(keys->sound());
}

TEST(Inspect, GivesAVerdictOnEveryEntryOfASecureCert) {
  FactoryContent content = FullContent();
  content.placement = {true, true, true};
  auto files = Files({}, content);
  SecretBytes& image = files[1].bytes;
  auto inspection = InspectImage(image.view(), {});
  ASSERT_TRUE(inspection.ok());
  EXPECT_EQ(inspection->kind, InspectedKind::kSecureCert);
  EXPECT_EQ(inspection->items.size(), 10u);
  EXPECT_TRUE(inspection->sound());
  image.data()[0x230] ^= 1;
  inspection = InspectImage(image.view(), {});
  EXPECT_FALSE(inspection->sound());
  EXPECT_TRUE(inspection->items[0].sound);
  EXPECT_FALSE(inspection->items[1].sound);
}

TEST(Inspect, CountsEveryCrcAndNamesThePages) {
  FactoryContent content = FullContent();
  content.extra = {{"mine", "picture", Bytes(6000, 7)}};
  auto files = Files({}, content);
  SecretBytes& image = files[0].bytes;
  auto inspection = InspectImage(image.view(), {});
  ASSERT_TRUE(inspection.ok()) << inspection.status();
  ASSERT_EQ(inspection->pages.size(), 6u);
  EXPECT_EQ(inspection->pages[0].state, "full");
  EXPECT_TRUE(inspection->pages[0].header_crc_ok);
  EXPECT_EQ(inspection->pages[5].state, "unused");
  for (const InspectedItem& item : inspection->items) {
    EXPECT_EQ(item.crcs, item.crcs_right) << item.name;
    // A number has its entry's CRC, a string its data's as well; the chunks of a blob and their
    // index have theirs.
    EXPECT_GE(item.crcs, item.type == "u32" ? 1u : 2u) << item.name;
  }
  EXPECT_GE(inspection->items.back().crcs, 5u) << "two chunks and their index";
  image.data()[28] ^= 1;  // the first page's own CRC
  inspection = InspectImage(image.view(), {});
  EXPECT_FALSE(inspection->pages[0].header_crc_ok);
  EXPECT_FALSE(inspection->sound());
  EXPECT_THAT(InspectionText(*inspection), HasSubstr("page 0 full, header CRC BAD"));
}

TEST(Inspect, SaysThatAnImageIsEncryptedOrTheKeysAreOthers) {
  ImageOptions options;
  options.protection = NvsProtection::kHmac;
  const auto files = Files(options, FullContent());
  const auto without = InspectImage(files[0].bytes.view(), {});
  ASSERT_TRUE(without.ok());
  EXPECT_THAT(without->faults.front(), HasSubstr("encrypted, give its keys"));
  const auto wrong = InspectImage(files[0].bytes.view(), {.nvs_keys = Bytes(32, 1)});
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_THAT(wrong->faults.front(), HasSubstr("do not open"));
}

TEST(Inspect, SpeaksJson) {
  const auto files = Files({}, FullContent());
  const auto inspection = InspectImage(files[0].bytes.view(), {});
  const auto json = nlohmann::json::parse(InspectionJson(*inspection));
  EXPECT_EQ(json["kind"], "nvs");
  EXPECT_EQ(json["sound"], true);
  EXPECT_EQ(json["entries"][0]["name"], "chip-factory/discriminator");
  EXPECT_EQ(json["entries"][0]["value"], "3840");
}

TEST(Inspect, RefusesWhatIsNoImage) {
  EXPECT_TRUE(HasReason(InspectImage(Bytes(100), {}).status(), Reason::IMAGE_MALFORMED));
  EXPECT_TRUE(HasReason(InspectImage({}, {}).status(), Reason::IMAGE_MALFORMED));
  EXPECT_FALSE(InspectImage(Bytes(0x3000, 0xFF), {})->sound()) << "an erased partition";
  const auto whole = Files({}, FullContent());
  const auto cut = InspectImage(whole[0].bytes.view().first(5000), {});
  EXPECT_THAT(std::string(cut.status().message()), HasSubstr("whole pages of 4096 bytes"));
}

TEST(Diff, NamesWhatDiffersAndKeepsSecretsMasked) {
  FactoryContent other = FullContent();
  other.serial_number = "other";
  other.dac_key = SecretBytes(Bytes(32, 1));
  other.part_number.clear();
  other.extra.emplace_back("mine", "k", uint8_t{1});
  const auto a = Files({}, FullContent());
  const auto b = Files({}, other);
  const auto differences = DiffImages(a[0].bytes.view(), {}, b[0].bytes.view(), {});
  ASSERT_TRUE(differences.ok()) << differences.status();
  const std::string text = DifferencesText(*differences);
  EXPECT_EQ(differences->size(), 4u) << text;
  EXPECT_THAT(text, HasSubstr("chip-factory/dac-key\n  < ***\n  > ***\n"));
  EXPECT_THAT(text, HasSubstr("chip-factory/part-number\n  < PN-0001\n  > (absent)\n"));
  EXPECT_EQ(nlohmann::json::parse(DifferencesJson(*differences)).size(), 4u);
  EXPECT_TRUE(DiffImages(a[0].bytes.view(), {}, a[0].bytes.view(), {})->empty());
}

TEST(Inspect, CallsAKeyInFlashThatBelongsToTheEfuseAFault) {
  std::vector<SecureCertEntry> entries;
  entries.emplace_back(SecureCertType::kPrivateKey, 0, Bytes(kSec1KeySize, 1), kFlagKeyInEfuse);
  const auto image = BuildSecureCert(entries, {});
  ASSERT_TRUE(image.ok());
  const auto inspection = InspectImage(image->view(), {});
  ASSERT_TRUE(inspection.ok());
  EXPECT_FALSE(inspection->sound());
  EXPECT_THAT(InspectionText(*inspection), HasSubstr("lies in flash"));
}

TEST(Diff, TellsTheShapeWhereTheEntriesAreTheSame) {
  std::vector<SecureCertEntry> entries;
  entries.emplace_back(SecureCertType::kDeviceCertificate, 0, Bytes(100, 1));
  const auto padded = BuildSecureCert(entries, {SecureCertTail::kPadded});
  const auto cut = BuildSecureCert(entries, {SecureCertTail::kShort});
  const auto differences = DiffImages(padded->view(), {}, cut->view(), {});
  ASSERT_TRUE(differences.ok()) << differences.status();
  ASSERT_EQ(differences->size(), 1u);
  EXPECT_THAT(differences->front().left, HasSubstr("padded tail"));
  EXPECT_THAT(differences->front().right, HasSubstr("short tail"));
}

TEST(Diff, SeesThroughTwoEncryptions) {
  ImageOptions options;
  options.protection = NvsProtection::kHmac;
  const auto plain = Files({}, FullContent());
  const auto hmac = Files(options, FullContent());
  const auto differences = DiffImages(plain[0].bytes.view(), {}, hmac[0].bytes.view(),
                                      {.nvs_keys = hmac[1].bytes.view()});
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_TRUE(differences->empty());
}

TEST(Diff, RefusesImagesOfTwoKinds) {
  FactoryContent content = FullContent();
  content.placement.attestation_in_secure_cert = true;
  const auto files = Files({}, content);
  EXPECT_TRUE(HasReason(DiffImages(files[0].bytes.view(), {}, files[1].bytes.view(), {}).status(),
                        Reason::FIELDS_CONTRADICT));
}

}  // namespace
}  // namespace assay::image
