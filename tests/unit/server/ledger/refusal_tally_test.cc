#include "server/ledger/refusal_tally.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/server/ledger/tally_fixture.h"

namespace assay::ledger {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using RefusalTallyTest = TallyTest<RefusalTally>;

TEST_F(RefusalTallyTest, AFloodIsOneEntryWithItsCount) {
  for (int i = 0; i < 5000; ++i) {
    tally_.Count("spiffe://x/line", "assay.v1.CatalogService/OpenLot", Reason::ROLE_MISSING);
  }
  tally_.Count("spiffe://x/line", "assay.v1.IssuanceService/Issue", Reason::LOT_NOT_GRANTED);
  clock_.now += absl::Minutes(1);
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_THAT(Entries(),
              ElementsAre("{\"actor\":\"spiffe://x/line\",\"call\":\"assay.v1.CatalogService/"
                          "OpenLot\",\"count\":5000,\"from\":\"2027-01-15T08:00:00Z\",\"kind\":"
                          "\"access.refused\",\"reason\":\"ROLE_MISSING\",\"until\":"
                          "\"2027-01-15T08:01:00Z\"}",
                          HasSubstr("LOT_NOT_GRANTED")));
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_EQ(Entries().size(), 2u);
}

TEST_F(RefusalTallyTest, ManyMadeUpCallersFillNothing) {
  for (int i = 0; i < 10'000; ++i) {
    tally_.Count(absl::StrCat("spiffe://x/", i), "call", Reason::CALLER_UNKNOWN);
  }
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_EQ(Entries().size(), RefusalTally::kMostKeys + 1);
  EXPECT_THAT(Entries(), testing::Contains(HasSubstr("\"actor\":\"other\",\"call\":\"call\","
                                                     "\"count\":9800")));
}

TEST_F(RefusalTallyTest, WhatTheStoreRefusedIsWrittenLater) {
  tally_.Count("a", "call", Reason::ROLE_MISSING);
  store_->before_call = [](std::string_view) { return Refuse(Reason::STORE_UNAVAILABLE, "away"); };
  EXPECT_FALSE(tally_.Write().ok());
  store_->before_call = nullptr;
  tally_.Count("a", "call", Reason::ROLE_MISSING);
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_THAT(Entries(), ElementsAre(HasSubstr("\"count\":2")));
}

TEST_F(RefusalTallyTest, OnlyWhatIsNotTheCallersCounts) {
  EXPECT_TRUE(IsOfAuthority(Reason::ROLE_MISSING));
  EXPECT_TRUE(IsOfAuthority(Reason::CALLER_UNKNOWN));
  EXPECT_FALSE(IsOfAuthority(Reason::QUOTA_EXCEEDED));
  EXPECT_FALSE(IsOfAuthority(Reason::STORE_UNAVAILABLE));
}

}  // namespace
}  // namespace assay::ledger
