#include "server/ledger/read_tally.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tests/unit/server/ledger/tally_fixture.h"

namespace assay::ledger {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using ReadTallyTest = TallyTest<ReadTally>;

TEST_F(ReadTallyTest, ManyReadsOfOneFilterAreOneEntryThatSaysHowMany) {
  for (int i = 0; i < 1000; ++i) {
    tally_.Count("spiffe://x/auditor", "AuditService/ListDevices", "{\"lot\":\"a\"}", 100);
  }
  tally_.Count("spiffe://x/auditor", "AuditService/ListDevices", "{\"lot\":\"b\"}", 1);
  clock_.now += absl::Minutes(1);
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_THAT(Entries(),
              ElementsAre("{\"actor\":\"spiffe://x/auditor\",\"call\":\"AuditService/"
                          "ListDevices\",\"calls\":1000,\"filter\":\"{\\\"lot\\\":\\\"a\\\"}\","
                          "\"from\":\"2027-01-15T08:00:00Z\",\"kind\":\"audit.read\",\"rows\":"
                          "100000,\"until\":\"2027-01-15T08:01:00Z\"}",
                          HasSubstr("\"calls\":1,")));
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_EQ(Entries().size(), 2u);
}

TEST_F(ReadTallyTest, AFloodOfFiltersFillsNothingAndLosesNoRow) {
  for (int i = 0; i < 10'000; ++i) tally_.Count("reader", "call", absl::StrCat("f", i), 2);
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_EQ(Entries().size(), ReadTally::kMostKeys + 1);
  EXPECT_THAT(Entries(), testing::Contains(HasSubstr("\"calls\":9800,\"filter\":\"other\"")));
}

TEST_F(ReadTallyTest, WhatCannotBeWrittenClosesTheGateUntilItIs) {
  EXPECT_TRUE(tally_.Gate().ok());
  tally_.Count("reader", "call", "f", 3);
  store_->before_call = [](std::string_view) { return Refuse(Reason::STORE_READ_ONLY, "away"); };
  EXPECT_FALSE(tally_.Write().ok());
  const absl::Status gate = tally_.Gate();
  EXPECT_TRUE(HasReason(gate, Reason::STORE_READ_ONLY)) << gate;
  EXPECT_THAT(std::string(gate.message()), HasSubstr("record of who read"));
  store_->before_call = nullptr;
  ASSERT_TRUE(tally_.Write().ok());
  EXPECT_TRUE(tally_.Gate().ok());
  EXPECT_THAT(Entries(), ElementsAre(HasSubstr("\"rows\":3")));
}

}  // namespace
}  // namespace assay::ledger
