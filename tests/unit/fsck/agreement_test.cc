#include "fsck/agreement.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay::fsck {
namespace {

bool Agree(const Tally& a, const Tally& b) {
  return std::ranges::none_of(a.Differing(b), [](bool differs) { return differs; });
}

TEST(AgreementTest, TheSameSetsAgreeWhateverTheirOrderAndHowManyThreadsAddedThem) {
  Tally a, b, c;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "device-" + std::to_string(i);
    a.Add(name, Sha256(AsBytes(name)));
    const std::string other = "device-" + std::to_string(999 - i);
    (i % 2 == 0 ? b : c).Add(other, Sha256(AsBytes(other)));
  }
  b.Merge(c);
  EXPECT_TRUE(Agree(a, b));
  EXPECT_EQ(b.count(), 1000u);
}

TEST(AgreementTest, OneMoreOneLessAndOneOtherDifferInTheirBucket) {
  Tally a, b;
  a.Add("x", Sha256(AsBytes("1")));
  b.Add("x", Sha256(AsBytes("2")));
  EXPECT_TRUE(a.Differing(b)[Tally::BucketOf("x")]);
  EXPECT_FALSE(Agree(a, Tally()));
}

TEST(AgreementTest, NeighbouringFieldsDoNotRunIntoEachOther) {
  IssueRecord a{}, b{};
  a[0] = "ab";
  b[0] = "a";
  b[1] = "b";
  EXPECT_NE(DigestOf(a), DigestOf(b));
}

}  // namespace
}  // namespace assay::fsck
