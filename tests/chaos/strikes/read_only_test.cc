// The database becomes read only, and the connection leads to a hot standby.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using test_support::PostgresCluster;

TEST(ReadOnly, AReadOnlyDatabaseRefusesByNameAndHeals) {
  Site site;
  Shift shift({site.Channel()}, {.lot = kLot});
  const std::string database = site.database();
  const auto set = [&](const char* how) {
    site.SqlElsewhere(
        absl::StrCat("ALTER DATABASE ", database, " SET default_transaction_read_only = ", how));
    site.EndConnections();
  };
  ASSERT_TRUE(shift.AwaitEachLine());
  for (int round = 0; round < Rounds(); ++round) {
    set("on");
    site.CountFault();
    ASSERT_TRUE(shift.AwaitRefusal("STORE_READ_ONLY"));
    SleepFor(Hold());
    site.SqlElsewhere(
        absl::StrCat("ALTER DATABASE ", database, " SET default_transaction_read_only = off"));
    // Nobody ends the connections now: assayd itself must find out.
    ASSERT_TRUE(shift.AwaitEachLine());
  }
  site.Judge("ReadOnly", {&shift});
}

TEST(ReadOnly, AHotStandbyRefusesByNameUntilTheLinkLeadsBack) {
  auto primary = PostgresCluster::Start();
  ASSERT_TRUE(primary.ok()) << primary.status();
  Site site({.cluster = primary->get()});
  auto standby = PostgresCluster::StartStandby(**primary);
  ASSERT_TRUE(standby.ok()) << standby.status();
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  for (int round = 0; round < Rounds(); ++round) {
    site.gate().LeadTo((*standby)->socket_path());
    site.gate().CutAll();
    site.CountFault();
    ASSERT_TRUE(shift.AwaitRefusal("STORE_READ_ONLY"));
    SleepFor(Hold());
    site.gate().LeadTo((*primary)->socket_path());
    ASSERT_TRUE(shift.AwaitEachLine());
  }
  site.Judge("ReadOnly, a hot standby", {&shift});
}

}  // namespace
}  // namespace assay::chaos
