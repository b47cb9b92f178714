#include "image/secure_cert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/refusal.h"
#include "tests/unit/image/factory_fixture.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

std::vector<SecureCertEntry> DacEntries() {
  std::vector<SecureCertEntry> entries;
  entries.emplace_back(SecureCertType::kDeviceCertificate, 0, TestBytes(kTestDac));
  entries.emplace_back(SecureCertType::kCaCertificate, 0, TestBytes(kTestPai));
  const auto key = EncodeSec1Key(TestBytes(kTestDacKey), TestBytes(kTestDacPoint));
  EXPECT_TRUE(key.ok());
  entries.emplace_back(SecureCertType::kPrivateKey, 0, key->view());
  return entries;
}

Bytes Built(const std::vector<SecureCertEntry>& entries, const SecureCertOptions& options) {
  auto image = BuildSecureCert(entries, options);
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? ToBytes(image->view()) : Bytes();
}

TEST(SecureCert, IsByteForByteTheToolsInBothTails) {
  ASSAY_NEED_VECTORS();
  EXPECT_EQ(Built(DacEntries(), {SecureCertTail::kPadded}),
            *MfgVector("tlv/dac_only.tool2.3.6.bin"));
  EXPECT_EQ(Built(DacEntries(), {SecureCertTail::kShort}),
            *MfgVector("tlv/dac_only.tool2.6.1.bin"));
}

TEST(SecureCert, RebuildsTheImageWithEveryMatterEntry) {
  ASSAY_NEED_VECTORS();
  const Bytes golden = *MfgVector("tlv/full.tool2.3.6.bin");
  const auto entries = ParseSecureCert(golden);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(entries->size(), 10u);
  EXPECT_EQ(
      ToBytes(FindEntry(*entries, SecureCertType::kMatter, kMatterDiscriminator)->data.view()),
      (Bytes{0x00, 0x0F}));
  EXPECT_EQ(FindEntry(*entries, SecureCertType::kMatter, kMatterVerifier)->data.size(), 97u);
  EXPECT_EQ(Built(*entries, {}), golden);
}

TEST(SecureCert, ReadsTheToolsPeripheralImageAndSeesItsPlaintextKey) {
  ASSAY_NEED_VECTORS();
  const auto entries = ParseSecureCert(*MfgVector("tlv/ds_esp32h2.tool2.3.6.bin"));
  ASSERT_TRUE(entries.ok()) << entries.status();
  const SecureCertEntry* key = FindEntry(*entries, SecureCertType::kPrivateKey);
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->flags, kFlagKeyInEfuse);
  EXPECT_EQ(key->data.size(), kSec1KeySize) << "the reference tool's defect";
  EXPECT_EQ(ToBytes(FindEntry(*entries, SecureCertType::kSecurityConfig)->data.view()),
            *EncodeSecurityConfig(1));
}

TEST(Sec1Key, HasScalarAndPointWhereTheDeviceLooks) {
  const auto key = EncodeSec1Key(TestBytes(kTestDacKey), TestBytes(kTestDacPoint));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(ToHex(key->view().subspan(7, 32)), kTestDacKey);
  EXPECT_EQ(ToHex(key->view().subspan(56, 65)), kTestDacPoint);
  if (const auto golden = MfgVector("pki/dac_key_sec1.der")) {
    EXPECT_EQ(ToBytes(key->view()), *golden);
  }
  const auto back = ParseSec1Key(key->view());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(ToHex(back->private_key.view()), kTestDacKey);
  EXPECT_FALSE(ParseSec1Key(key->view().first(120)).ok());
  EXPECT_FALSE(EncodeSec1Key(Bytes(31), TestBytes(kTestDacPoint)).ok());
}

TEST(SecureCert, AddsAnIntegrityEntryThatSeesEveryChange) {
  const Bytes image = Built(DacEntries(), {SecureCertTail::kShort, 0x2000, true});
  const SecureCertReading reading = ReadSecureCert(image);
  EXPECT_EQ(reading.integrity_ok, true);
  EXPECT_EQ(reading.records.back().entry.type, 9);
  EXPECT_TRUE(ParseSecureCert(image).ok());
  for (size_t i = 0; i < image.size(); ++i) {
    Bytes changed = image;
    changed[i] ^= 0x10;
    const auto parsed = ParseSecureCert(changed);
    EXPECT_FALSE(parsed.ok()) << "offset " << i;
  }
}

TEST(SecureCert, SaysHowManyBytesAreMissing) {
  std::vector<SecureCertEntry> entries;
  entries.emplace_back(SecureCertType::kDeviceCertificate, 0, Bytes(4096 - 16));
  const auto image = BuildSecureCert(entries, {SecureCertTail::kPadded, 0x1000});
  EXPECT_TRUE(HasReason(image.status(), Reason::IMAGE_TOO_SMALL));
  EXPECT_THAT(std::string(image.status().message()),
              ::testing::HasSubstr("need 4100 bytes, 4 more"));
}

TEST(SecureCert, RefusesMalformedLengthsAndTails) {
  const Bytes good = Built(DacEntries(), {});
  const auto reason = [](const Bytes& image) {
    return HasReason(ParseSecureCert(image).status(), Reason::IMAGE_MALFORMED);
  };
  Bytes bad = good;
  bad[10] = 0xFF;
  bad[11] = 0xFF;
  EXPECT_TRUE(reason(bad)) << "a length that leaves the partition";
  bad = good;
  bad[10] ^= 1;
  EXPECT_TRUE(reason(bad)) << "a length that is off by one";
  bad = good;
  bad.back() = 0;
  EXPECT_TRUE(reason(bad)) << "old bytes after the end";
  EXPECT_TRUE(reason(Bytes(0x2000, 0xFF))) << "no entry";
  EXPECT_TRUE(reason({}));
  const Bytes short_image = Built(DacEntries(), {SecureCertTail::kShort});
  for (size_t size = 0; size < short_image.size(); ++size) {
    const auto parsed = ParseSecureCert(ByteView(short_image).first(size));
    // Cut between entries it is a shorter row of whole ones; anywhere else it is malformed.
    if (parsed.ok()) {
      EXPECT_TRUE(size == 0x220 || size == 0x400) << size;
    }
  }
}

TEST(SecureCert, RefusesAnEntryGivenTwice) {
  std::vector<SecureCertEntry> entries = DacEntries();
  entries.emplace_back(SecureCertType::kCaCertificate, 0, Bytes(1));
  EXPECT_TRUE(HasReason(BuildSecureCert(entries, {}).status(), Reason::FIELDS_CONTRADICT));
}

TEST(SecureCert, SurvivesRandomBytes) {
  RepeatableRandom random(3);
  const Bytes good = Built(DacEntries(), {SecureCertTail::kPadded, 0x2000, true});
  for (int round = 0; round < 5000; ++round) {
    Bytes image = good;
    for (size_t i = random.Below(8) + 1; i > 0; --i) image[random.Below(1300)] = random.Draw(1)[0];
    image.resize(random.Below(image.size() + 1));
    ReadSecureCert(image);
  }
}

TEST(EfuseKeyBlock, IsTheScalarBackwards) {
  const auto block = EncodeEfuseKeyBlock(TestBytes(kTestDacKey));
  ASSERT_TRUE(block.ok());
  Bytes backwards = TestBytes(kTestDacKey);
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(ToBytes(block->view()), backwards);
  EXPECT_FALSE(EncodeSecurityConfig(6).ok());
}

}  // namespace
}  // namespace assay::image
