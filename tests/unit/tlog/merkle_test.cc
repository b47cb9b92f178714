#include "tlog/merkle.h"

#include <gtest/gtest.h>

#include "tests/unit/tlog/small_log.h"
#include "tlog/growing_tree.h"

namespace assay::tlog {
namespace {

// The eight entries of certificate-transparency-go's and trillian's reference tree.
std::vector<Hash> ReferenceLeaves() {
  std::vector<Hash> leaves;
  for (const char* hex : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                          "606162636465666768696a6b6c6d6e6f"}) {
    leaves.push_back(LeafHash(*FromHex(hex)));
  }
  return leaves;
}

TEST(Merkle, RootsOfTheReferenceTree) {
  const std::vector<Hash> leaves = ReferenceLeaves();
  const char* const roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                               "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                               "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                               "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                               "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                               "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  for (size_t size = 1; size <= 8; ++size) {
    EXPECT_EQ(ToHex(RootOf(std::span(leaves).first(size))), roots[size - 1]) << size;
  }
}

TEST(Merkle, TheEmptyTreesRootIsTheHashOfNothing) {
  EXPECT_EQ(ToBase64(EmptyRoot()), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  EXPECT_EQ(RootOf({}), EmptyRoot());
}

TEST(Merkle, AnOddLastNodeIsRaisedAndNotDoubled) {
  const SmallLog log(3);
  EXPECT_EQ(log.RootAt(3), NodeHash(NodeHash(log.leaves[0], log.leaves[1]), log.leaves[2]));
}

TEST(Merkle, EveryInclusionProofOfEverySmallTreeHolds) {
  SmallLog log(70);
  for (uint64_t size = 1; size <= 70; ++size) {
    Prover prover(log, size);
    for (uint64_t index = 0; index < size; ++index) {
      const auto path = prover.Inclusion(index);
      ASSERT_TRUE(path.ok()) << path.status();
      EXPECT_TRUE(VerifyInclusion(log.leaves[index], index, size, log.RootAt(size), *path).ok());
    }
  }
}

TEST(Merkle, AnInclusionProofChangedInAnyWayIsRefused) {
  SmallLog log(7);
  const Hash root = log.RootAt(7);
  for (uint64_t index = 0; index < 7; ++index) {
    const Path path = *Prover(log, 7).Inclusion(index);
    EXPECT_REFUSED(VerifyInclusion(log.leaves[(index + 1) % 7], index, 7, root, path),
                   PROOF_INVALID);
    EXPECT_REFUSED(VerifyInclusion(log.leaves[index], index + 1, 7, root, path), PROOF_INVALID);
    EXPECT_REFUSED(VerifyInclusion(log.leaves[index], index, 7, log.RootAt(6), path),
                   PROOF_INVALID);
    for (size_t i = 0; i < path.size(); ++i) {
      Path changed = path;
      changed[i][5] ^= 1;
      EXPECT_REFUSED(VerifyInclusion(log.leaves[index], index, 7, root, changed), PROOF_INVALID);
    }
    Path longer = path, shorter = path;
    longer.push_back(root);
    shorter.pop_back();
    EXPECT_REFUSED(VerifyInclusion(log.leaves[index], index, 7, root, longer), PROOF_INVALID);
    EXPECT_REFUSED(VerifyInclusion(log.leaves[index], index, 7, root, shorter), PROOF_INVALID);
  }
  EXPECT_REFUSED(VerifyInclusion(log.leaves[0], 0, 0, root, {}), PROOF_INVALID);
}

TEST(Merkle, APathAloneDoesNotFixTheSize) {
  // Why the size comes from the signed checkpoint: the path of 2 in 3 also fits 1 in 2.
  SmallLog log(3);
  const Path path = *Prover(log, 3).Inclusion(2);
  EXPECT_TRUE(VerifyInclusion(log.leaves[2], 2, 3, log.RootAt(3), path).ok());
  EXPECT_TRUE(VerifyInclusion(log.leaves[2], 1, 2, log.RootAt(3), path).ok());
}

TEST(Merkle, EveryConsistencyProofOfEverySmallTreeHolds) {
  SmallLog log(40);
  for (uint64_t size = 0; size <= 40; ++size) {
    Prover prover(log, size);
    for (uint64_t before = 0; before <= size; ++before) {
      const auto path = prover.Consistency(before);
      ASSERT_TRUE(path.ok()) << path.status();
      EXPECT_TRUE(VerifyConsistency(before, log.RootAt(before), size, log.RootAt(size), *path).ok())
          << before << " in " << size;
      Hash other = log.RootAt(before);
      other[0] ^= 1;
      EXPECT_REFUSED(VerifyConsistency(before, other, size, log.RootAt(size), *path),
                     PROOF_INVALID);
    }
  }
}

TEST(Merkle, FromSizeZeroEverythingIsConsistentWithAnEmptyProof) {
  const SmallLog log(3);
  EXPECT_TRUE(VerifyConsistency(0, EmptyRoot(), 3, log.RootAt(3), {}).ok());
  EXPECT_REFUSED(VerifyConsistency(0, EmptyRoot(), 3, log.RootAt(3), {log.RootAt(3)}),
                 PROOF_INVALID);
  EXPECT_REFUSED(VerifyConsistency(3, log.RootAt(3), 2, log.RootAt(2), {}), PROOF_INVALID);
  EXPECT_REFUSED(VerifyConsistency(2, log.RootAt(2), 3, log.RootAt(3), {}), PROOF_INVALID);
}

TEST(GrowingTree, ItsRootIsTheTreesAtEverySize) {
  const SmallLog log(700);
  GrowingTree tree;
  EXPECT_EQ(tree.Root(), EmptyRoot());
  for (uint64_t size = 1; size <= 700; ++size) {
    tree.Append(log.leaves[size - 1]);
    if (size < 20 || size % 37 == 0 || (size + 1) % 256 < 3) {
      EXPECT_EQ(tree.Root(), log.RootAt(size)) << size;
    }
  }
}

TEST(GrowingTree, GoesOnFromItsPartialTiles) {
  SmallLog log(70000);
  GrowingTree whole, half;
  for (uint64_t i = 0; i < 66000; ++i) whole.Append(log.leaves[i]);
  std::vector<std::vector<Hash>> edge;
  for (int level = 0; level < 3; ++level) {
    const TileId tile{level, uint64_t{66000} >> (8 * (level + 1))};
    const uint64_t width = WidthOf(tile, 66000);
    edge.push_back(*HashesOf(*log.ReadTile(tile, width), width));
  }
  auto resumed = GrowingTree::FromEdge(66000, edge);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->Root(), whole.Root());
  for (uint64_t i = 66000; i < 70000; ++i) resumed->Append(log.leaves[i]);
  EXPECT_EQ(resumed->Root(), log.RootAt(70000));
  EXPECT_REFUSED(GrowingTree::FromEdge(66001, edge).status(), FIELD_MALFORMED);
}

TEST(GrowingTree, TellsExactlyTheTilesTheFormatAsksFor) {
  const SmallLog log(70000);
  GrowingTree tree;
  for (uint64_t i = 0; i < 256; ++i) tree.Append(log.leaves[i]);
  auto changed = tree.TakeChanged();
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed.at({0, 0}).size(), 256u);
  EXPECT_EQ(changed.at({1, 0}).size(), 1u);  // trap 7: tile/1/000.p/1 at size 256
  EXPECT_TRUE(tree.TakeChanged().empty());
  for (uint64_t i = 256; i < 65536; ++i) tree.Append(log.leaves[i]);
  changed = tree.TakeChanged();
  EXPECT_EQ(changed.at({1, 0}).size(), 256u);
  EXPECT_EQ(changed.at({2, 0}).size(), 1u);
  EXPECT_FALSE(changed.contains({1, 1}));
  for (uint64_t i = 65536; i < 70000; ++i) tree.Append(log.leaves[i]);
  changed = tree.TakeChanged();
  EXPECT_EQ(changed.at({0, 273}).size(), 112u);
  EXPECT_EQ(changed.at({1, 1}).size(), 17u);
  EXPECT_FALSE(changed.contains({2, 0}));  // unchanged
}

}  // namespace
}  // namespace assay::tlog
