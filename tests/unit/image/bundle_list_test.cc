#include "image/bundle_list.h"

#include <gtest/gtest.h>

#include "base/refusal.h"

namespace assay::image {
namespace {

std::string Good() {
  return BundleListHead("lot-1") + BundleListLine(Sha256(AsBytes("a")), "manifest.csv") +
         BundleListLine(Sha256(AsBytes("b")), "units/u1/factory.bin");
}

absl::Status Read(const std::string& list, size_t piece = 1000) {
  BundleListReader reader("lot-1");
  for (size_t at = 0; at < list.size(); at += piece) {
    if (const absl::Status fed = reader.Feed(list.substr(at, piece)); !fed.ok()) return fed;
  }
  return reader.End();
}

TEST(BundleListTest, ReadsAListInPiecesOfAnySize) {
  for (const size_t piece : {1u, 7u, 64u, 1000u}) EXPECT_TRUE(Read(Good(), piece).ok()) << piece;
  std::vector<std::string> names;
  BundleListReader reader("lot-1", [&](std::string_view name, const Sha256Digest& digest) {
    names.emplace_back(name);
    if (names.size() == 1) {
      EXPECT_EQ(digest, Sha256(AsBytes("a")));
    }
  });
  ASSERT_TRUE(reader.Feed(Good()).ok());
  EXPECT_EQ(names, (std::vector<std::string>{"manifest.csv", "units/u1/factory.bin"}));
  EXPECT_EQ(reader.members(), 2u);
}

TEST(BundleListTest, RefusesWhateverIsNotSuchAList) {
  const std::string line = BundleListLine(Sha256(AsBytes("a")), "x");
  const std::string head = BundleListHead("lot-1");
  for (const std::string& list :
       {std::string(), head, line, BundleListHead("lot-2") + line, head + line + line,
        head + BundleListLine(Sha256(AsBytes("a")), "y") + line,
        head + line.substr(0, line.size() - 1), head + "x" + line.substr(1), head + "\n",
        head + BundleListLine(Sha256(AsBytes("a")), "../x"),
        head + BundleListLine(Sha256(AsBytes("a")), "/x"),
        head + BundleListLine(Sha256(AsBytes("a")), "a//b"),
        head + BundleListLine(Sha256(AsBytes("a")), std::string(241, 'n')),
        std::string(5000, '\xE9')}) {
    EXPECT_TRUE(HasReason(Read(list), Reason::FIELD_MALFORMED)) << list;
  }
}

}  // namespace
}  // namespace assay::image
