// The restore drill: back up, issue more, restore the old backup beside the surviving copy of the
// ledger, receipts and lines' folders, and enter again every certificate issued since.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/device_folder.h"
#include "client/files.h"
#include "fsck/reconcile.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "tests/integration/fsck/station.h"

namespace assay::integration {
namespace {

namespace fs = std::filesystem;
using test_support::PostgresCluster;
using ::testing::HasSubstr;

int Sized(const char* name, int otherwise) {
  const char* const given = std::getenv(name);
  return given == nullptr ? otherwise : std::atoi(given);
}

std::string PgTool(const std::string& name) {
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql")) {
    const fs::path tool = version.path() / "bin" / name;
    if (fs::exists(tool)) return tool.string();
  }
  return name;
}

class RestoreDrill : public ::testing::Test {
 protected:
  std::string Database() const { return office_.dsn().substr(office_.dsn().rfind('=') + 1); }
  static void Shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  void BackUp() {
    Shell(absl::StrCat(PgTool("pg_dump"), " -Fc -f ", backup_, " '", office_.dsn(), "'"));
  }
  // The old database in the new one's place. Its leases end as they would while the backup is
  // brought: by time.
  void Restore() {
    const std::string main = PostgresCluster::Shared().Dsn();
    for (const std::string& sql : {absl::StrCat("DROP DATABASE ", Database(), " WITH (FORCE)"),
                                   absl::StrCat("CREATE DATABASE ", Database())}) {
      ASSERT_TRUE(PostgresCluster::Execute(main, sql).ok()) << sql;
    }
    Shell(absl::StrCat(PgTool("pg_restore"), " -d '", office_.dsn(), "' ", backup_));
    ASSERT_TRUE(
        PostgresCluster::Execute(office_.dsn(),
                                 "DELETE FROM instances; UPDATE ledger_head SET lease_until "
                                 "= '-infinity'")
            .ok());
  }
  // What `assay issue` leaves for the unit.
  void KeepFolder(const v1::Identity& identity, const v1::ProductSpec& spec) {
    const auto files = client::DeviceFiles(identity, spec);
    ASSERT_TRUE(files.ok()) << files.status();
    ASSERT_TRUE(client::MakeFolder(folder_.Path("line")).ok());
    ASSERT_TRUE(
        client::WriteDeviceFiles(folder_.Path(absl::StrCat("line/", identity.device_id())), *files)
            .ok());
  }
  void KeepReceipt(const std::string& lot, const std::string& ticket) {
    ASSERT_EQ(station_.Run(folder_, absl::StrCat("receipt get --lot ", lot, " --ticket ", ticket,
                                                 " --out ", folder_.Path("line"))),
              0)
        << station_.said();
  }
  void KeepLedger() {
    ASSERT_EQ(station_.Run(folder_, "ledger key"), 0) << station_.said();
    std::ofstream(folder_.Path("vkey")) << station_.printed();
    ASSERT_EQ(station_.Run(folder_, absl::StrCat("ledger export-tiles --key ", folder_.Path("vkey"),
                                                 " --out ", folder_.Path("tiles"))),
              0)
        << station_.said();
  }
  absl::StatusOr<fsck::RecoveryReport> Reconcile(bool apply, bool accept_lost_tail = false) {
    fsck::Settings settings = station_.SettingsFor();
    const auto token = pkcs11::OpenPkcs11Token(std::move(settings.token));
    EXPECT_TRUE(token.ok()) << token.status();
    const std::string text = *client::ReadTextFile(folder_.Path("vkey"));
    const auto key = tlog::NoteKey::Parse(text.substr(0, text.find('\n')));
    EXPECT_TRUE(key.ok()) << key.status();
    fsck::RecoveryOptions options;
    options.ledger = folder_.Path("tiles");
    if (fs::exists(folder_.Path("line"))) options.folders = {folder_.Path("line")};
    options.apply = apply;
    options.accept_lost_tail = accept_lost_tail;
    return fsck::Reconcile(settings, token->get(), *key, options);
  }

  Office office_;
  Station station_{office_};
  Folder folder_;
  const std::string backup_ = folder_.Path("backup.dump");
};

TEST_F(RestoreDrill, EveryCertificateIssuedSinceTheBackupIsEnteredAgain) {
  const int before = Sized("ASSAY_DRILL_BEFORE", 10), since = Sized("ASSAY_DRILL_SINCE", 12);
  const v1::ProductSpec spec = office_.Light();
  office_.OpenLot("old", spec, static_cast<uint64_t>(before + since + 10));
  for (int i = 0; i < before; ++i) station_.Issue("old", absl::StrCat("b-", i));
  station_.AwaitLedger();
  BackUp();

  std::vector<v1::Identity> issued;
  for (int i = 0; i < since; ++i) {
    issued.push_back(station_.Issue("old", absl::StrCat("s-", i)));
    if (i % 2 == 0) KeepFolder(issued.back(), spec);
  }
  office_.OpenLot("new", spec, 5);
  KeepFolder(station_.Issue("new", "n-1"), spec);
  station_.Confirm("old", "b-0", v1::OUTCOME_PROVISIONED);
  station_.Confirm("old", "s-0", v1::OUTCOME_SCRAPPED);
  station_.Revoke(issued[1].device_id());
  station_.AwaitLedger();
  KeepLedger();
  const v1::Identity last = station_.Issue("old", "after-the-copy");
  KeepFolder(last, spec);
  KeepReceipt("old", "after-the-copy");
  office_.Stop();

  const absl::Time begun = absl::Now();
  Restore();
  const absl::Time restored = absl::Now();
  const auto found = Reconcile(false);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->problems, testing::IsEmpty());
  EXPECT_EQ(found->devices, static_cast<uint64_t>(since + 2));
  EXPECT_EQ(found->from_folders, static_cast<uint64_t>((since + 1) / 2 + 2));
  EXPECT_EQ(found->confirmed, 2u);
  EXPECT_EQ(found->revoked, 1u);
  EXPECT_FALSE(found->applied);

  const auto applied = Reconcile(true);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->applied);
  EXPECT_EQ(applied->devices, found->devices);
  const absl::Time entered = absl::Now();
  fsck::Findings findings;
  station_.Check(findings);
  EXPECT_EQ(TextOf(findings), "");
  std::printf(
      "restore drill: %d devices before, %llu entered again of %llu entries; restored in "
      "%.2f s, found and entered in %.2f s, backup %llu bytes\n",
      before, static_cast<unsigned long long>(applied->devices),
      static_cast<unsigned long long>(applied->entries), absl::ToDoubleSeconds(restored - begun),
      absl::ToDoubleSeconds(entered - restored),
      static_cast<unsigned long long>(fs::file_size(backup_)));

  // Again there is nothing to do.
  const auto again = Reconcile(true);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->entries, 0u);

  // The service goes on: no fork, no ticket or serial twice, and the old copy stays a beginning.
  ASSERT_TRUE(office_.StartAgain().ok());
  office_.AwaitReady();
  EXPECT_EQ(station_.ReasonFor("old", "s-1"), "IDENTITY_WIPED");
  EXPECT_EQ(station_.ReasonFor("old", "after-the-copy"), "IDENTITY_WIPED");
  station_.Issue("old", "goes-on");
  station_.AwaitLedger();
  EXPECT_EQ(station_.Run(folder_, absl::StrCat("ledger verify --key ", folder_.Path("vkey"),
                                               " --remember ", folder_.Path("tiles/checkpoint"))),
            0)
      << station_.said();
  EXPECT_EQ(*PostgresCluster::Execute(office_.dsn(),
                                      "SELECT count(*) - count(DISTINCT dac_serial) FROM attempts "
                                      "WHERE dac_serial IS NOT NULL"),
            "0");
  fsck::Findings later;
  station_.Check(later);
  EXPECT_EQ(TextOf(later), "");
}

TEST_F(RestoreDrill, WhatWasIssuedOnTopOfTheRestoreIsAForkAndRefused) {
  office_.OpenLot("forked", office_.Light(), 10);
  station_.Issue("forked", "b-1");
  station_.AwaitLedger();
  BackUp();
  station_.Issue("forked", "s-1");
  station_.AwaitLedger();
  KeepLedger();
  office_.Stop();
  Restore();
  ASSERT_TRUE(office_.StartAgain().ok());
  office_.AwaitReady();
  station_.Issue("forked", "too-early");
  station_.AwaitLedger();
  office_.Stop();
  const auto report = Reconcile(true);
  EXPECT_TRUE(HasReason(report.status(), Reason::LEDGER_FORKED)) << report.status();
}

TEST_F(RestoreDrill, AReceiptBeyondAllCopiesIsToldAndNotPassedOver) {
  office_.OpenLot("tail", office_.Light(), 10);
  station_.Issue("tail", "b-1");
  station_.AwaitLedger();
  BackUp();
  KeepLedger();
  station_.Issue("tail", "lost");
  station_.AwaitLedger();
  const v1::Identity kept = station_.Issue("tail", "kept");
  KeepReceipt("tail", "kept");
  office_.Stop();
  Restore();
  const auto report = Reconcile(true);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->applied);
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_THAT(report->problems[0], HasSubstr("--accept-lost-tail"));
  const auto accepted = Reconcile(true, true);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_TRUE(accepted->applied);
  EXPECT_EQ(accepted->devices, 1u);
  EXPECT_EQ(*PostgresCluster::Execute(office_.dsn(), absl::StrCat("SELECT ticket FROM "
                                                                  "attempts WHERE device_id = '",
                                                                  kept.device_id(), "'")),
            "kept");
}

}  // namespace
}  // namespace assay::integration
