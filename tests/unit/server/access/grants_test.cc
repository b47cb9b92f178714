#include "server/access/grants.h"

#include <gtest/gtest.h>

#include "base/refusal.h"

namespace assay::access {
namespace {

GrantList Sample() {
  return GrantList({
      {"spiffe://f/line/*", "", {Role::kLine}, {"north"}, {"*"}},
      {"spiffe://f/line/7/*", "seven", {Role::kLine}, {"north"}, {"a", "b"}},
      {"spiffe://f/line/7/x", "x", {Role::kLine, Role::kKeys}, {"*"}, {"*"}},
  });
}

TEST(GrantsTest, TheExactGrantWinsOverPrefixes) {
  const auto caller = Sample().Find("spiffe://f/line/7/x");
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->line, "x");
  EXPECT_TRUE(caller->Has(Role::kKeys));
}

TEST(GrantsTest, TheLongestPrefixWins) {
  const auto caller = Sample().Find("spiffe://f/line/7/station");
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->line, "seven");
  EXPECT_EQ(caller->uri, "spiffe://f/line/7/station");
}

TEST(GrantsTest, ALineWithoutANameIsNamedByItsUri) {
  EXPECT_EQ(Sample().Find("spiffe://f/line/8")->line, "spiffe://f/line/8");
}

TEST(GrantsTest, AnIdentityWithoutAGrantIsUnknown) {
  for (const char* uri : {"spiffe://f/other", "spiffe://f/lin", ""}) {
    EXPECT_TRUE(HasReason(Sample().Find(uri).status(), Reason::CALLER_UNKNOWN)) << uri;
  }
}

TEST(GrantsTest, AStarStandsForAnythingOnlyAtTheEnd) {
  const GrantList list({{"spiffe://*/line", "", {Role::kLine}, {"*"}, {"*"}}});
  EXPECT_FALSE(list.Find("spiffe://f/line").ok());
}

TEST(GrantsTest, AReplacedListIsSeenByTheNextCallOnly) {
  Grants grants(Sample());
  const auto before = grants.Current();
  grants.Replace(GrantList());
  EXPECT_NE(grants.Current(), before);
  EXPECT_FALSE(grants.FindCaller("spiffe://f/line/8").ok());
}

TEST(CallerTest, ALotIsGrantedByFactoryAndByName) {
  const Caller caller = *Sample().Find("spiffe://f/line/7/station");
  EXPECT_TRUE(caller.CheckLot("north", "a").ok());
  EXPECT_TRUE(HasReason(caller.CheckLot("north", "c"), Reason::LOT_NOT_GRANTED));
  EXPECT_TRUE(HasReason(caller.CheckLot("south", "a"), Reason::LOT_NOT_GRANTED));
}

TEST(CallerTest, EveryLotIsGrantedByAStarForBoth) {
  Caller caller = *Sample().Find("spiffe://f/line/7/station");
  caller.factories = {"*"};
  EXPECT_TRUE(HasReason(caller.CheckEveryLot(), Reason::LOT_NOT_GRANTED));
  caller.lots = {"*"};
  EXPECT_TRUE(caller.CheckEveryLot().ok());
}

TEST(CallerTest, AMissingRoleIsNamed) {
  const Caller caller = *Sample().Find("spiffe://f/line/8");
  EXPECT_TRUE(caller.CheckRole(Role::kLine).ok());
  const absl::Status status = caller.CheckRole(Role::kOperator);
  EXPECT_TRUE(HasReason(status, Reason::ROLE_MISSING));
  EXPECT_NE(status.message().find("operator"), absl::string_view::npos);
}

TEST(RoleTest, NamesGoBothWays) {
  for (const Role role :
       {Role::kLine, Role::kOperator, Role::kAuditor, Role::kCodes, Role::kKeys}) {
    EXPECT_EQ(RoleOf(RoleName(role)), role);
  }
  EXPECT_EQ(RoleOf("Line"), std::nullopt);
}

}  // namespace
}  // namespace assay::access
