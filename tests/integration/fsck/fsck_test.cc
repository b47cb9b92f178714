// The checker beside a service that issues.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/integration/fsck/station.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using ::testing::HasSubstr;

class FsckTest : public ::testing::Test {
 protected:
  Office& office_ = Office::Shared();
  Station station_{office_};
};

TEST_F(FsckTest, WhatTheServiceIssuedConfirmedAndRevokedIsClean) {
  office_.OpenLot("clean", office_.Light(), 10);
  for (int i = 0; i < 6; ++i) station_.Issue("clean", absl::StrCat("t-", i));
  station_.Confirm("clean", "t-0", v1::OUTCOME_PROVISIONED);
  station_.Confirm("clean", "t-1", v1::OUTCOME_SCRAPPED);
  station_.Revoke(station_.Issue("clean", "t-2").device_id());
  station_.AwaitLedger();
  fsck::Findings findings;
  const fsck::Report report = station_.Check(findings, "", true);
  EXPECT_EQ(TextOf(findings), "");
  EXPECT_GE(report.dacs, 6u);
  EXPECT_EQ(report.dacs, report.images);
  EXPECT_GE(report.sealed.opened, 3u);
  EXPECT_EQ(report.sealed.verifiers, report.sealed.opened);
  EXPECT_TRUE(report.key_checked);
}

TEST_F(FsckTest, ItIsCleanWhileTheServiceIssues) {
  office_.OpenLot("busy", office_.Light(), 1000);
  std::atomic<bool> enough{false};
  std::atomic<int> issued{0};
  std::thread line([&] {
    for (int i = 0; !enough; ++i) {
      station_.Issue("busy", absl::StrCat("t-", i));
      if (i % 3 == 0) station_.Confirm("busy", absl::StrCat("t-", i), v1::OUTCOME_PROVISIONED);
      ++issued;
    }
  });
  for (int round = 0; round < 3; ++round) {
    while (issued < (round + 1) * 3) absl::SleepFor(absl::Milliseconds(10));
    fsck::Findings findings;
    station_.Check(findings);
    EXPECT_EQ(TextOf(findings), "");
  }
  enough = true;
  line.join();
}

TEST_F(FsckTest, WithoutTheTokenItSaysWhatItLeftOutAndStillVerifiesEveryCertificate) {
  office_.OpenLot("tokenless", office_.Light(), 2);
  station_.Issue("tokenless", "t-1");
  fsck::Findings findings;
  fsck::CheckOptions options;
  const auto report = fsck::CheckEverything(station_.SettingsFor(), nullptr, options, findings);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->token_checked);
  EXPECT_FALSE(report->key_checked);
  EXPECT_GE(report->dacs, 1u);
  EXPECT_EQ(TextOf(findings), "");
}

TEST_F(FsckTest, ADatabaseThatIsAwayIsNoFinding) {
  fsck::Findings findings;
  const auto report = fsck::CheckEverything(station_.SettingsFor("host=/nowhere dbname=none"),
                                            nullptr, fsck::CheckOptions(), findings);
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(findings.Count(), 0u);
}

class ReaderRoleTest : public FsckTest {
 protected:
  // As somebody who holds only `role`.
  absl::StatusOr<std::string> As(const std::string& role, const std::string& sql) {
    return PostgresCluster::Execute(office_.dsn(), absl::StrCat("SET ROLE ", role, "; ", sql));
  }
};

TEST_F(ReaderRoleTest, AReaderSeesEveryViewAndNoTable) {
  office_.OpenLot("read", office_.Light(), 2);
  station_.Issue("read", "t-1");
  const auto views = PostgresCluster::Execute(
      office_.dsn(),
      "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.views "
      "WHERE table_schema = 'report'");
  ASSERT_TRUE(views.ok()) << views.status();
  EXPECT_THAT(*views, HasSubstr("acts attempts checkpoints cosignatures crls devices ledger"));
  for (const std::string& view : std::vector<std::string>{
           "acts", "attempts", "checkpoints", "cosignatures", "crls", "devices", "ledger", "lines",
           "lots", "pais", "products", "revocations", "verifications"}) {
    EXPECT_TRUE(As("assay_reader", absl::StrCat("SELECT count(*) FROM report.", view)).ok())
        << view;
  }
  EXPECT_EQ(
      *As("assay_reader", "SELECT lot || ' ' || state FROM report.devices WHERE lot = 'read'"),
      "read sealed");
  for (const std::string& table : std::vector<std::string>{"sealed_identities", "devices", "lots",
                                                           "attempts", "verifications"}) {
    const auto refused = As("assay_reader", absl::StrCat("SELECT * FROM ", table, " LIMIT 1"));
    ASSERT_FALSE(refused.ok()) << table;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("permission denied"));
  }
}

TEST_F(ReaderRoleTest, NoViewHasSecretsAndNeitherRoleWrites) {
  const auto secret = PostgresCluster::Execute(
      office_.dsn(),
      "SELECT coalesce(string_agg(table_name || '.' || column_name, ' '), '') FROM "
      "information_schema.columns WHERE table_schema = 'report' AND table_name || column_name <> "
      "'lotssealed' AND column_name IN ('codes', "
      "'sealed', 'wrapped_key', 'passcode', 'nonce', 'challenge', 'answer', 'discriminator', "
      "'request_digest')");
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(*secret, "");
  EXPECT_TRUE(As("assay_checker", "SELECT count(*) FROM sealed_identities").ok());
  for (const char* role : {"assay_reader", "assay_checker"}) {
    EXPECT_FALSE(As(role, "DELETE FROM devices").ok()) << role;
    EXPECT_FALSE(As(role, "UPDATE report.lots SET lot = 'x'").ok()) << role;
  }
}

TEST_F(ReaderRoleTest, TheCheckersRoleSufficesForTheCheck) {
  ASSERT_TRUE(PostgresCluster::Execute(office_.dsn(),
                                       "DO $$ BEGIN CREATE ROLE fsck_login LOGIN IN ROLE "
                                       "assay_checker; EXCEPTION WHEN duplicate_object THEN NULL; "
                                       "END $$")
                  .ok());
  std::string dsn = office_.dsn();
  const size_t user = dsn.find(absl::StrCat("user=", PostgresCluster::kUser));
  ASSERT_NE(user, std::string::npos) << dsn;
  dsn.replace(user, 5 + std::string(PostgresCluster::kUser).size(), "user=fsck_login");
  fsck::Findings findings;
  station_.Check(findings, dsn);
  EXPECT_EQ(TextOf(findings), "");
}

}  // namespace
}  // namespace assay::integration
