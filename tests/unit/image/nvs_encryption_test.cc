#include "image/nvs_encryption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/refusal.h"
#include "image/nvs.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

void ExpectEncrypts(const char* plain, const char* encrypted, ByteView key) {
  Bytes image = *MfgVector(plain);
  ASSERT_TRUE(EncryptNvs(image, key).ok());
  EXPECT_EQ(image, *MfgVector(encrypted));
  ASSERT_TRUE(DecryptNvs(image, key).ok());
  EXPECT_EQ(image, *MfgVector(plain));
}

TEST(NvsEncryption, IsByteForByteTheGenerators) {
  ASSAY_NEED_VECTORS();
  const Bytes key = *MfgVector("nvs/xts_key.bin");
  ExpectEncrypts("nvs/all_types.0x3000.bin", "nvs/all_types.enc.0x3000.bin", key);
  ExpectEncrypts("nvs/blob_multipage.0x5000.bin", "nvs/blob_multipage.enc.0x5000.bin", key);
  ExpectEncrypts("fixed_run/partition.0x6000.bin", "fixed_run/partition.enc.0x6000.bin", key);
}

TEST(NvsEncryption, DerivesTheKeysOfTheHmacScheme) {
  ASSAY_NEED_VECTORS();
  const auto key = DeriveXtsKey(*MfgVector("nvs/hmac_key.bin"));
  ASSERT_TRUE(key.ok());
  const auto partition = BuildKeyPartition(key->view());
  ASSERT_TRUE(partition.ok());
  EXPECT_EQ(ToBytes(partition->view()), *MfgVector("nvs/hmac_derived_keys.bin"));
  ExpectEncrypts("nvs/all_types.0x3000.bin", "nvs/all_types.enc_hmac.0x3000.bin", key->view());
}

TEST(KeyPartition, IsTheDocumentedOneAndReadsBack) {
  ASSAY_NEED_VECTORS();
  const Bytes key = *MfgVector("nvs/xts_key.bin");
  const auto partition = BuildKeyPartition(key);
  ASSERT_TRUE(partition.ok());
  EXPECT_EQ(ToBytes(partition->view()), *MfgVector("nvs/xts_keys_partition.bin"));
  const auto back = ParseKeyPartition(partition->view());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(ToBytes(back->view()), key);
}

TEST(KeyPartition, RefusesWrongSizesCrcsAndFillers) {
  RepeatableRandom random(1);
  const SecretBytes key = DrawXtsKey(random);
  const auto partition = BuildKeyPartition(key.view());
  ASSERT_TRUE(partition.ok());
  const Bytes good = ToBytes(partition->view());
  EXPECT_TRUE(
      HasReason(ParseKeyPartition(ByteView(good).first(64)).status(), Reason::IMAGE_MALFORMED));
  for (const size_t at : {size_t{0}, size_t{63}, size_t{64}, size_t{68}, size_t{4095}}) {
    Bytes bad = good;
    bad[at] ^= 1;
    EXPECT_TRUE(HasReason(ParseKeyPartition(bad).status(), Reason::IMAGE_MALFORMED)) << at;
  }
}

TEST(NvsEncryption, RefusesAnEncryptedImageWithoutKeysOrWithWrongOnes) {
  RepeatableRandom random(2);
  auto image = BuildNvs({{"a", "n", uint32_t{7}}}, {0x3000});
  ASSERT_TRUE(image.ok());
  const SecretBytes key = DrawXtsKey(random);
  const SecretBytes other = DrawXtsKey(random);
  ASSERT_TRUE(EncryptNvs({image->data(), image->size()}, key.view()).ok());
  const auto without = ParseNvs(image->view());
  EXPECT_TRUE(HasReason(without.status(), Reason::IMAGE_MALFORMED));
  EXPECT_THAT(std::string(without.status().message()), ::testing::HasSubstr("encrypted"));
  ASSERT_TRUE(DecryptNvs({image->data(), image->size()}, other.view()).ok());
  EXPECT_TRUE(HasReason(ParseNvs(image->view()).status(), Reason::IMAGE_MALFORMED));
}

TEST(NvsEncryption, RefusesKeysOfWrongShape) {
  Bytes image(0x1000, 0xFF);
  EXPECT_TRUE(HasReason(EncryptNvs(image, Bytes(32)), Reason::FIELD_OUT_OF_RANGE));
  EXPECT_TRUE(HasReason(EncryptNvs(image, Bytes(64)), Reason::FIELD_MALFORMED)) << "equal halves";
  EXPECT_TRUE(HasReason(DeriveXtsKey(Bytes(31)).status(), Reason::FIELD_OUT_OF_RANGE));
}

}  // namespace
}  // namespace assay::image
