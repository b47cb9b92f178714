#include "tests/integration/audit/audit_fixture.h"

namespace assay::integration {
namespace {

using ::testing::Not;
using LotsTest = RecordsTest;

TEST_F(LotsTest, ALeaseKeepsPlacesForItsLineUntilItIsReleased) {
  office_.OpenLot("lease-1", office_.Light(), 3);
  ASSERT_EQ(Run("lot lease lease-1 --line north-2 --count 2 --for 8h"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("north-2"));
  EXPECT_THAT(printed_, HasSubstr("live"));
  v1::IssueResponse issued;
  ASSERT_TRUE(office_.Issue(Office::Request("lease-1", "a1"), &issued, kLine).ok());
  const grpc::Status refused = office_.Issue(Office::Request("lease-1", "a2"), &issued, kLine);
  EXPECT_EQ(ReasonIn(refused), "QUOTA_EXCEEDED") << refused.error_message();
  EXPECT_THAT(refused.error_message(), HasSubstr("leased to other lines"));
  ASSERT_TRUE(office_.Issue(Office::Request("lease-1", "b1"), &issued, kPlainLine).ok());

  EXPECT_EQ(Run("lot lease lease-1 --line north-1 --count 1 --for 1h"), kRefused);
  EXPECT_THAT(said_, HasSubstr("in no lease"));
  ASSERT_EQ(Run("lot lease list lease-1 --json"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("\"used\": \"1\""));
  const size_t at = printed_.find("\"id\": \"") + 7;
  const std::string id = printed_.substr(at, printed_.find('"', at) - at);
  // A line sees its own leases only.
  ASSERT_EQ(Run("--as line lot lease list lease-1"), kOk) << said_;
  EXPECT_THAT(printed_, Not(HasSubstr("north-2")));
  EXPECT_EQ(Run("--as line lot lease release lease-1 " + id), kRefused);
  ASSERT_EQ(Run("lot lease release lease-1 " + id), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("released"));
  EXPECT_TRUE(office_.Issue(Office::Request("lease-1", "a2"), &issued, kLine).ok());
  EXPECT_EQ(Run("lot lease release lease-1 999999"), kRefused);
  EXPECT_EQ(Run("lot lease lease-1 --line north-2 --count 2 --for soon"), kRefused);
  EXPECT_THAT(said_, HasSubstr("must be a number and s, m, h or d"));
  EXPECT_EQ(Run("lot lease lease-1 --line north-2"), kUsage);
}

TEST_F(LotsTest, AScrappedUnitIsRevokedAndItsPlaceFreeWhereTheProductSaysSo) {
  v1::ProductSpec spec = office_.Light();
  spec.mutable_scrap()->set_revoke(true);
  office_.OpenLot("scrap-1", spec, 1);
  const auto made = IssueSome("scrap-1", 1, "S");
  ASSERT_TRUE(Confirm("scrap-1", "S-t1", v1::OUTCOME_SCRAPPED).ok());
  v1::ConfirmResponse again;
  ASSERT_TRUE(Confirm("scrap-1", "S-t1", v1::OUTCOME_SCRAPPED, kLine, &again).ok());
  EXPECT_TRUE(again.confirmed_before());
  EXPECT_EQ(ReasonIn(Confirm("scrap-1", "S-t1", v1::OUTCOME_PROVISIONED)), "CONFIRM_CONFLICT");
  ASSERT_EQ(Run("audit list --lot scrap-1 --state revoked --json"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr(made[0].device_id()));
  ASSERT_EQ(Run("audit show " + made[0].device_id()), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("scrap"));
  EXPECT_THAT(printed_, HasSubstr("revoke"));
  v1::IssueResponse issued;
  EXPECT_TRUE(office_.Issue(Office::Request("scrap-1", "replacement"), &issued).ok());
  EXPECT_EQ(ReasonIn(office_.Issue(Office::Request("scrap-1", "one-more"), &issued)),
            "QUOTA_EXCEEDED");
}

TEST_F(LotsTest, TheAccountOfALotAddsUpPerLineAndShift) {
  office_.OpenLot("account", office_.Light(), 20);
  IssueSome("account", 4, "A");
  IssueSome("account", 2, "B", kPlainLine);
  ASSERT_TRUE(Confirm("account", "A-t1", v1::OUTCOME_PROVISIONED).ok());
  ASSERT_TRUE(Confirm("account", "A-t2", v1::OUTCOME_SCRAPPED).ok());
  ASSERT_TRUE(Confirm("account", "B-t1", v1::OUTCOME_PROVISIONED, kPlainLine).ok());
  const auto stub = v1::LotService::NewStub(office_.ChannelAs(kAuditor));
  v1::ReconcileLotRequest request;
  request.set_lot("account");
  for (const uint32_t minutes : {360u, 840u, 1320u}) request.add_shift_starts(minutes);
  request.set_utc_offset_minutes(480);
  v1::ReconcileLotResponse account;
  const grpc::Status status = stub->ReconcileLot(Context().get(), request, &account);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(account.total().issued(), 6u);
  EXPECT_EQ(account.total().confirmed(), 2u);
  EXPECT_EQ(account.total().scrapped(), 1u);
  EXPECT_EQ(account.total().missing(), 3u);
  EXPECT_EQ(account.returned(), 1u);
  EXPECT_EQ(account.claimed(), 5u);
  std::map<std::string, uint64_t> issued;
  for (const auto& shift : account.shifts()) {
    issued[shift.line()] += shift.issued();
    // Of the factory's clock, eight hours ahead.
    const int64_t minute = (shift.shift_start().seconds() / 60 + 480) % 1440;
    EXPECT_TRUE(minute == 360 || minute == 840 || minute == 1320) << minute;
    EXPECT_EQ(shift.shift_end().seconds() - shift.shift_start().seconds(), 8 * 3600);
  }
  EXPECT_EQ(issued["north-1"], 4u);
  EXPECT_EQ(issued["north-2"], 2u);

  ASSERT_EQ(Run("lot reconcile account --shifts 06:00,14:00,22:00 --utc-offset=+08:00 --csv " +
                Path("account.csv")),
            kOk)
      << said_;
  EXPECT_THAT(printed_, HasSubstr("total"));
  EXPECT_THAT(printed_, HasSubstr("places of scrapped units free again 1"));
  const auto lines = Lines(*ReadTextFile(Path("account.csv")));
  EXPECT_EQ(lines[0], "line,shift,until,issued,confirmed,scrapped,missing,revoked,voided,open");
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith("north-1,")));
  EXPECT_EQ(Run("lot reconcile account --shifts 25:00"), kRefused);
  EXPECT_EQ(Run("lot reconcile account --shifts 14:00,06:00"), kRefused);
  EXPECT_THAT(said_, HasSubstr("ascending"));
  EXPECT_EQ(Run("lot reconcile nothing"), kRefused);
}

TEST_F(LotsTest, ALineBeyondItsRateIsToldWhenToComeAgainAndTheOthersAreNotHeldUp) {
  office_.OpenLot("rate", office_.Light(), 10);
  ops::Config limited = office_.config();
  limited.limits.fair.line_rate = 0.001;
  limited.limits.fair.line_burst = 1;
  ASSERT_TRUE(office_.daemon().Reload(limited).ok());
  v1::IssueResponse issued;
  EXPECT_TRUE(office_.Issue(Office::Request("rate", "r1"), &issued).ok());
  const grpc::Status refused = office_.Issue(Office::Request("rate", "r2"), &issued);
  EXPECT_EQ(ReasonIn(refused), "RATE_LIMITED") << refused.error_message();
  EXPECT_TRUE(HasRetryInfo(refused));
  EXPECT_TRUE(office_.Issue(Office::Request("rate", "r3"), &issued, kPlainLine).ok());
  EXPECT_EQ(office_.LotNow("rate").claimed(), 2u);
  ASSERT_TRUE(office_.daemon().Reload(office_.config()).ok());
  EXPECT_TRUE(office_.Issue(Office::Request("rate", "r2"), &issued).ok());
}

}  // namespace
}  // namespace assay::integration
