#include "tlog/tile.h"

#include <gtest/gtest.h>

#include "tests/unit/tlog/small_log.h"

namespace assay::tlog {
namespace {

TEST(Tile, PathsAreGroupsOfThreeDigits) {
  EXPECT_EQ(TilePath({0, 1234067}, 256), "tile/0/x001/x234/067");
  EXPECT_EQ(TilePath({1, 1000}, 17), "tile/1/x001/000.p/17");
  EXPECT_EQ(TilePath({2, 7}, 256), "tile/2/007");
  EXPECT_EQ(BundlePath(0, 1), "tile/entries/000.p/1");
}

TEST(Tile, EachTileHasOneSpelling) {
  for (const char* good : {"tile/0/x001/x234/067", "tile/63/000.p/255", "tile/entries/x001/000"}) {
    const auto parsed = ParseTilePath(good);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
  }
  for (const char* bad : {"",
                          "tile",
                          "tile/",
                          "tile/0",
                          "tile/0/",
                          "tile/0/7",
                          "tile/0/0007",
                          "tile/0/x000/007",
                          "tile/0/001/007",
                          "tile/00/007",
                          "tile/64/007",
                          "tile/-1/007",
                          "tile/0/007.p/0",
                          "tile/0/007.p/256",
                          "tile/0/007.p/07",
                          "tile/0/007.p/",
                          "tile/0/x001",
                          "tile/data/000",
                          "tile/0/007/",
                          "/tile/0/007",
                          "tile/0/x999/x999/x999/x999/x999/x999/x999/999"}) {
    EXPECT_REFUSED(ParseTilePath(bad).status(), FIELD_MALFORMED) << bad;
  }
}

TEST(Tile, WidthsAreThoseOfTheFormat) {
  EXPECT_EQ(WidthOf({0, 0}, 0), 0u);
  EXPECT_EQ(TileCount(0, 0), 0u);
  EXPECT_EQ(WidthOf({0, 0}, 256), 256u);
  EXPECT_EQ(WidthOf({0, 1}, 256), 0u);  // no empty tiles
  EXPECT_EQ(TileCount(0, 256), 1u);
  EXPECT_EQ(WidthOf({1, 0}, 256), 1u);
  EXPECT_EQ(WidthOf({1, 0}, 255), 0u);
  EXPECT_EQ(WidthOf({2, 0}, 65536), 1u);
  EXPECT_EQ(WidthOf({0, 273}, 70000), 112u);
  EXPECT_EQ(WidthOf({1, 1}, 70000), 17u);
  EXPECT_EQ(WidthOf({2, 0}, 70000), 1u);
  EXPECT_EQ(TileCount(0, 70000), 274u);
  EXPECT_EQ(WidthOf({8, 0}, 70000), 0u);
}

TEST(Tile, ATileOfAnotherSizeIsRefused) {
  const std::vector<Hash> hashes(256);
  const Bytes full = BytesOf(hashes);
  EXPECT_EQ(full.size(), 8192u);
  EXPECT_TRUE(HashesOf(full, 256).ok());
  EXPECT_REFUSED(HashesOf(full, 255).status(), FIELD_MALFORMED);  // trap 6
  EXPECT_REFUSED(HashesOf(ByteView(full).first(32), 256).status(), FIELD_MALFORMED);
  EXPECT_REFUSED(HashesOf(ByteView(full).first(8191), 256).status(), FIELD_MALFORMED);
}

TEST(Bundle, EntriesStandWithTheirLengthsAndAreHashedWithoutThem) {
  Bytes bundle;
  ASSERT_TRUE(AppendToBundle(bundle, AsBytes("ab")).ok());
  ASSERT_TRUE(AppendToBundle(bundle, {}).ok());
  ASSERT_TRUE(AppendToBundle(bundle, Bytes(65535, 7)).ok());
  EXPECT_EQ(ToHex(ByteView(bundle).first(6)), "000261620000");
  const auto entries = EntriesOf(bundle, 3);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ((*entries)[2].size(), 65535u);
  EXPECT_EQ(ToHex(LeafHash((*entries)[1])),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  EXPECT_REFUSED(AppendToBundle(bundle, Bytes(65536)), FIELD_TOO_LONG);
  EXPECT_REFUSED(EntriesOf(bundle, 2).status(), FIELD_MALFORMED);
  EXPECT_REFUSED(EntriesOf(bundle, 4).status(), FIELD_MALFORMED);
  bundle.pop_back();
  EXPECT_REFUSED(EntriesOf(bundle, 3).status(), FIELD_MALFORMED);
}

}  // namespace
}  // namespace assay::tlog
