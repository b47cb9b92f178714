#include "base/zstd/zstd_dictionary.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/refusal.h"

namespace assay {
namespace {

constexpr size_t kMost = 1 << 20;

Bytes Changed(Bytes bytes, size_t from, size_t count) {
  SystemRandom random;
  for (const uint8_t byte : random.Draw(count)) bytes[from++] = byte;
  return bytes;
}

TEST(ZstdDictionary, WhatIsLikeItTakesTheRoomOfWhatIsNot) {
  SystemRandom random;
  const Bytes common = random.Draw(5000);
  const ZstdDictionary dictionary(common);
  const Bytes plain = Changed(common, 2000, 300);
  const SecretBytes frame = dictionary.Compress(plain);
  EXPECT_LT(frame.size(), 400u);
  const auto back = dictionary.Decompress(frame.view(), kMost);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToBytes(back->view()), plain);
}

TEST(ZstdDictionary, TextsOfEverySizeComeBack) {
  SystemRandom random;
  const Bytes common = random.Draw(5000);
  const ZstdDictionary dictionary(common);
  for (const size_t size : {0, 1, 8, 5000, 16384, 16385, 131072, 131073, 1 << 20}) {
    Bytes plain = random.Draw(size);
    // Half of it from the dictionary, again and again.
    for (size_t at = 0; at + 8 <= size; at += 16) {
      std::copy_n(common.begin() + at % 4000, 8, plain.begin() + at);
    }
    const SecretBytes frame = dictionary.Compress(plain);
    ASSERT_FALSE(frame.empty()) << size;
    const auto back = dictionary.Decompress(frame.view(), kMost);
    ASSERT_TRUE(back.ok()) << size << ": " << back.status();
    EXPECT_EQ(ToBytes(back->view()), plain) << size;
  }
}

TEST(ZstdDictionary, TheSameTextIsTheSameFrameWhateverCameBefore) {
  SystemRandom random;
  const Bytes common = random.Draw(5000);
  const ZstdDictionary dictionary(common), same(common), other(random.Draw(3000));
  const Bytes plain = Changed(common, 100, 50);
  const Bytes first = ToBytes(dictionary.Compress(plain).view());
  (void)other.Compress(random.Draw(9000));
  (void)dictionary.Compress(Changed(common, 0, 900));
  EXPECT_EQ(ToBytes(dictionary.Compress(plain).view()), first);
  EXPECT_EQ(ToBytes(same.Compress(plain).view()), first);
  std::thread([&] { EXPECT_EQ(ToBytes(dictionary.Compress(plain).view()), first); }).join();
}

TEST(ZstdDictionary, AFrameThatWasCutOrChangedOrIsOfAnotherDictionaryIsRefused) {
  SystemRandom random;
  const Bytes common = random.Draw(2000);
  const ZstdDictionary dictionary(common);
  const Bytes plain = Changed(common, 500, 100);
  const Bytes frame = ToBytes(dictionary.Compress(plain).view());
  const auto refused = [](const absl::StatusOr<SecretBytes>& back) {
    return HasReason(back.status(), Reason::INTERNAL);
  };
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_TRUE(refused(dictionary.Decompress(ByteView(frame).first(size), kMost))) << size;
  }
  for (size_t i = 0; i < frame.size(); ++i) {
    Bytes changed = frame;
    changed[i] ^= 0x40;
    // A flag that has no meaning yet may change; what comes out is never another text.
    const auto back = dictionary.Decompress(changed, kMost);
    if (!refused(back)) {
      EXPECT_EQ(ToBytes(back->view()), plain) << i;
    }
  }
  Bytes longer = frame;
  longer.push_back(0);
  EXPECT_TRUE(refused(dictionary.Decompress(longer, kMost)));
  EXPECT_TRUE(refused(ZstdDictionary(Changed(common, 0, 2000)).Decompress(frame, kMost)));
  const auto again = dictionary.Decompress(frame, kMost);
  ASSERT_TRUE(again.ok()) << "refusals leave nothing behind: " << again.status();
}

TEST(ZstdDictionary, ASizeBeyondWhatIsAllowedOrUntoldIsNotBelieved) {
  const ZstdDictionary dictionary(Bytes(100, 7));
  const SecretBytes frame = dictionary.Compress(Bytes(5000, 7));
  EXPECT_TRUE(dictionary.Decompress(frame.view(), 5000).ok());
  EXPECT_TRUE(HasReason(dictionary.Decompress(frame.view(), 4999).status(), Reason::INTERNAL));
  // RFC 8878, 3.1.1.1: a frame of one empty block that tells no size, and one that tells 2^62.
  const Bytes untold = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58, 0x01, 0x00, 0x00};
  EXPECT_TRUE(HasReason(dictionary.Decompress(untold, kMost).status(), Reason::INTERNAL));
  const Bytes huge = {0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x01, 0x00, 0x00};
  EXPECT_TRUE(HasReason(dictionary.Decompress(huge, kMost).status(), Reason::INTERNAL));
}

}  // namespace
}  // namespace assay
