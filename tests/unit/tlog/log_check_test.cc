#include "tlog/log_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tlog/small_log.h"

namespace assay::tlog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kSize = 66000;

// Big enough for three levels; built once.
SmallLog& BigLog() {
  static SmallLog log(kSize);
  return log;
}

TEST(LogCheck, AnHonestLogIsClean) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{256}, uint64_t{257}, kSize}) {
    uint64_t seen = 0;
    const auto findings = CheckLog(BigLog(), BigLog().At(size),
                                   [&](uint64_t index, ByteView) { seen += index == seen; });
    ASSERT_TRUE(findings.ok()) << findings.status();
    EXPECT_TRUE(findings->Clean()) << findings->faults[0];
    EXPECT_EQ(findings->entries, size);
    EXPECT_EQ(seen, size);
  }
}

TEST(LogCheck, AChangedEntryIsNamed) {
  SmallLog log(600);
  log.entries[300] = ToBytes(AsBytes("entry 300, forged"));
  const auto findings = CheckLog(log, log.At(600));
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->faults.size(), 3u);
  EXPECT_THAT(findings->faults[0], HasSubstr("entry 300 was changed"));
  EXPECT_THAT(findings->faults[1], HasSubstr("tile/1/000.p/2: hash 1"));
  EXPECT_THAT(findings->faults[2], HasSubstr("root signed at size 600"));
}

TEST(LogCheck, TwoEntriesThatChangedPlacesAreNamed) {
  SmallLog log(100);
  std::swap(log.entries[10], log.entries[20]);
  const auto findings = CheckLog(log, log.At(100));
  ASSERT_TRUE(findings.ok());
  EXPECT_THAT(findings->faults, ElementsAre(HasSubstr("entry 10 "), HasSubstr("entry 20 "),
                                            HasSubstr("root signed")));
}

TEST(LogCheck, ATruncatedLogIsNamed) {
  SmallLog log(300);
  const Checkpoint signed_before = log.At(300);
  log.entries.resize(290);
  log.leaves.resize(290);
  const auto findings = CheckLog(log, signed_before);
  ASSERT_TRUE(findings.ok());
  ASSERT_FALSE(findings->Clean());
  EXPECT_THAT(findings->faults[0], HasSubstr("tile/entries/001.p/44"));
}

TEST(LogCheck, ATileThatLiesIsNamedThoughTheEntriesAreRight) {
  SmallLog log(70000);
  std::vector<Hash> hashes = *HashesOf(*log.ReadTile({1, 0}, 256), 256);
  hashes[7][0] ^= 1;
  log.changed_tiles[{1, 0}] = BytesOf(hashes);
  log.changed_tiles[{2, 0}] = Bytes(64);  // too wide
  const auto findings = CheckLog(log, log.At(70000));
  ASSERT_TRUE(findings.ok());
  EXPECT_THAT(findings->faults,
              ElementsAre(HasSubstr("tile/1/000: hash 7"), HasSubstr("tile/2/000.p/1: tile")));
}

TEST(LogCheck, AForkIsToldFromGrowth) {
  SmallLog log(500), fork(500);
  fork.leaves[100][0] ^= 1;
  EXPECT_TRUE(CheckGrowth(log, log.At(300), log.At(500)).ok());
  EXPECT_REFUSED(CheckGrowth(fork, log.At(300), fork.At(500)), PROOF_INVALID);
  EXPECT_REFUSED(CheckGrowth(fork, log.At(500), fork.At(500)), PROOF_INVALID);
}

TEST(LogCheck, AnOlderCheckpointShownAsNewIsStale) {
  SmallLog log(500);
  EXPECT_REFUSED(CheckGrowth(log, log.At(500), log.At(300)), CHECKPOINT_STALE);
}

TEST(Prover, ReadsEachTileOnceForManyProofs) {
  SmallLog log(600);
  Prover prover(log, 600);
  for (uint64_t i = 0; i < 600; ++i) ASSERT_TRUE(prover.Inclusion(i).ok());
  EXPECT_LE(log.reads, 4);
  EXPECT_REFUSED(prover.Inclusion(600).status(), LEDGER_UNKNOWN);
  EXPECT_REFUSED(prover.Consistency(601).status(), LEDGER_UNKNOWN);
}

}  // namespace
}  // namespace assay::tlog
