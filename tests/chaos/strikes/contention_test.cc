// Another session brings about real deadlocks and serialization failures.
#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using test_support::PostgresCluster;

// Takes a lot's rows in the other order than sealing does: first its counter, then the intents of
// what is being sealed. It waits longer than assayd's sessions before it looks for a deadlock, so
// that the server ends theirs: one whose wait begins while this one sleeps looks once, later than
// this one has begun to wait for it.
const char* const kOtherWayRound =
    "SET deadlock_timeout = '20s'; BEGIN; "
    "SELECT FROM lot_results FOR UPDATE; "
    "SELECT pg_sleep(0.02); "
    "SELECT count(*) FROM (SELECT FROM open_intents ORDER BY attempt_id FOR UPDATE) q; "
    "COMMIT";

int Deadlocks(const Site& site) {
  return std::atoi(
      site.SqlElsewhere(absl::StrCat("SELECT deadlocks FROM pg_stat_database WHERE datname = '",
                                     site.database(), "'"))
          .c_str());
}

TEST(Contention, DeadlocksAreSettledWithoutALineNoticingMoreThanADelay) {
  Site site;
  site.SqlElsewhere(
      absl::StrCat("ALTER DATABASE ", site.database(), " SET deadlock_timeout = '100ms'"));
  site.EndConnections();
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  const int wanted = 5 * Rounds();
  AwaitThat(
      [&] {
        // Either of the two may be the one that is ended.
        (void)PostgresCluster::Execute(site.office().dsn(), kOtherWayRound);
        return Deadlocks(site) >= wanted && site.assayd().LogLines("store_failure", "40P01") > 0;
      },
      "deadlocks");
  for (int i = 0; i < Deadlocks(site); ++i) site.CountFault();
  ASSERT_TRUE(shift.AwaitEachLine());
  std::cout << "deadlocks: " << Deadlocks(site) << ", of which assayd's log tells "
            << site.assayd().LogLines("store_failure", "40P01") << " lines\n";
  EXPECT_GT(site.assayd().LogLines("store_failure", "40P01"), 0);
  site.Judge("Contention, deadlocks", {&shift});
}

TEST(Contention, SerializationFailuresAreRepeated) {
  Site site;
  site.SqlElsewhere(absl::StrCat("ALTER DATABASE ", site.database(),
                                 " SET default_transaction_isolation = 'serializable'"));
  site.EndConnections();
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  // A second session that reads and writes what every batch reads and writes.
  const int wanted = 3 * Rounds();
  AwaitThat(
      [&] {
        (void)PostgresCluster::Execute(
            site.office().dsn(),
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(claimed) FROM lot_claims; "
            "SELECT pg_sleep(0.02); UPDATE lot_claims SET capacity = capacity; COMMIT");
        return site.assayd().LogLines("store_failure", "40001") >= wanted;
      },
      "serialization failures");
  for (int i = 0; i < wanted; ++i) site.CountFault();
  ASSERT_TRUE(shift.AwaitEachLine());
  site.SqlElsewhere(
      absl::StrCat("ALTER DATABASE ", site.database(), " RESET default_transaction_isolation"));
  site.Judge("Contention, serialization", {&shift});
}

}  // namespace
}  // namespace assay::chaos
