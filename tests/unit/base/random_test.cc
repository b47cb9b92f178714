#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace assay {
namespace {

TEST(RandomTest, WhatIsDrawnInOrderOfTimeSortsByIt) {
  SystemRandom random;
  absl::Time now = absl::FromUnixSeconds(1'795'000'000);
  std::string before;
  for (int i = 0; i < 100; ++i, now += absl::Milliseconds(1)) {
    const std::string drawn = ToHex(DrawInOrderOfTime(random, 16, now));
    ASSERT_EQ(drawn.size(), 32u);
    EXPECT_LT(before, drawn);
    before = drawn;
  }
  EXPECT_EQ(ToHex(DrawInOrderOfTime(random, 6, absl::FromUnixMillis(0x019ABCDEF012))),
            "019abcdef012");
}

TEST(RandomTest, WhatIsDrawnInTheSameMillisecondDiffers) {
  SystemRandom random;
  std::set<Bytes> drawn;
  for (int i = 0; i < 1000; ++i) drawn.insert(DrawInOrderOfTime(random, 16, absl::UnixEpoch()));
  EXPECT_EQ(drawn.size(), 1000u);
}

}  // namespace
}  // namespace assay
