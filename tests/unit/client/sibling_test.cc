#include "client/command/sibling.h"

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace assay::client {
namespace {

std::optional<SiblingCall> In(const std::string& line) {
  return SiblingCallIn(absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

TEST(SiblingTest, TheFirstWordAfterOptionsForEveryCommandNamesTheProgram) {
  const auto plain = In("ceremony run --dry-run file.yaml");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->word, "ceremony");
  EXPECT_THAT(plain->arguments, testing::ElementsAre("run", "--dry-run", "file.yaml"));
  const auto after = In("--profile var/client.yaml --json --as operator ceremony verify t.json");
  ASSERT_TRUE(after);
  EXPECT_THAT(after->arguments, testing::ElementsAre("verify", "t.json", "--json"));
  EXPECT_TRUE(In("--profile=var/client.yaml fsck"));
}

TEST(SiblingTest, OtherWordsAndNamesAreNoPrograms) {
  EXPECT_FALSE(In(""));
  EXPECT_FALSE(In("--json"));
  EXPECT_FALSE(In("--profile ceremony"));
  EXPECT_FALSE(In("lot show ceremony"));
  EXPECT_FALSE(In("issue --lot ceremony"));
}

}  // namespace
}  // namespace assay::client
