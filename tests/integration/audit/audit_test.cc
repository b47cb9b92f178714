#include <nlohmann/json.hpp>

#include "matter/certificate.h"
#include "tests/integration/audit/audit_fixture.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using AuditTest = RecordsTest;

TEST_F(AuditTest, AnExportIsCountedSignedAndVerifiedWithThePublicKeyAlone) {
  office_.OpenLot("export-1", office_.Light(), 20);
  IssueSome("export-1", 3);
  const std::string key = Key(), file = Path("rows.csv");
  ASSERT_EQ(Run("audit export --lot export-1 --out " + file), kOk) << said_;
  EXPECT_THAT(said_, HasSubstr("3/3"));
  const std::string text = *ReadTextFile(file);
  EXPECT_EQ(Lines(text).size(), 4u);
  EXPECT_EQ(Run("audit verify-export " + file + " --key " + key), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("verified: 3 rows"));
  EXPECT_THAT(printed_, HasSubstr("\"lot\":\"export-1\""));

  std::string changed = text;
  changed[changed.find("SN2")] = 'X';
  Put("rows.csv", changed);
  EXPECT_EQ(Run("audit verify-export " + file + " --key " + key), kRefused);
  EXPECT_THAT(said_, HasSubstr("is not what was signed"));
  Put("rows.csv", text.substr(0, text.size() / 2));
  EXPECT_EQ(Run("audit verify-export " + file + " --key " + key), kRefused);
  Put("rows.csv", text);
  std::string manifest = *ReadTextFile(file + ".manifest");
  manifest[manifest.find("\"rows\":3") + 7] = '4';
  Put("rows.csv.manifest", manifest);
  EXPECT_EQ(Run("audit verify-export " + file + " --key " + key), kRefused);
  EXPECT_THAT(said_, HasSubstr("NOTE_UNTRUSTED"));
  // A checkpoint is signed by the same key, and is no manifest.
  ASSERT_EQ(Run("ledger checkpoint --out " + Path("checkpoint")), kOk);
  EXPECT_EQ(
      Run("audit verify-export " + file + " --manifest " + Path("checkpoint") + " --key " + key),
      kRefused);
  EXPECT_THAT(said_, HasSubstr("no export's manifest"));
}

TEST_F(AuditTest, JsonLinesHoldTheCertificatesAndNeitherFormTheCodes) {
  office_.OpenLot("export-2", office_.Light(), 20);
  const auto made = IssueSome("export-2", 2);
  ASSERT_EQ(Run("audit export --lot export-2 --format jsonl --out " + Path("rows.jsonl")), kOk)
      << said_;
  const auto lines = Lines(*ReadTextFile(Path("rows.jsonl")));
  ASSERT_EQ(lines.size(), 2u);
  const auto row = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(row["device_id"], made[0].device_id());
  EXPECT_EQ(*FromBase64(row["dac"].get<std::string>()), ToBytes(AsBytes(made[0].dac())));
  EXPECT_FALSE(row.contains("passcode"));
  for (const char* const command :
       {"audit export --lot export-2", "audit export --format jsonl --lot export-2",
        "audit list --json --lot export-2", "audit list --lot export-2"}) {
    ASSERT_EQ(Run(command), kOk) << said_;
    EXPECT_THAT(printed_, HasSubstr(made[0].serial_number()));
    EXPECT_THAT(printed_, Not(HasSubstr(made[0].codes().qr_code())));
    EXPECT_THAT(printed_, Not(HasSubstr(absl::StrCat(made[0].codes().passcode()))));
  }
  ASSERT_EQ(Run("audit show " + made[0].device_id()), kOk) << said_;
  EXPECT_THAT(printed_, Not(HasSubstr(made[0].codes().qr_code())));
  EXPECT_EQ(Run("audit export --codes --lot export-2 --out " + Path("codes.csv")), kRefused);
  EXPECT_THAT(said_, HasSubstr("ROLE_MISSING"));
  EXPECT_FALSE(fs::exists(Path("codes.csv")));
}

TEST_F(AuditTest, FiltersFindByRangeOfSerialNumbersAndByTheCertificatesIds) {
  office_.OpenLot("filters", office_.Light(), 30);
  const auto made = IssueSome("filters", 9, "F");
  ASSERT_EQ(Run("audit list --lot filters --serial-from F3 --serial-until F5 --json"), kOk);
  for (int i = 1; i <= 9; ++i) {
    const bool within = i >= 3 && i <= 5;
    EXPECT_EQ(printed_.find(absl::StrCat("\"F", i, "\"")) != std::string::npos, within) << i;
  }
  const auto dac = matter::Certificate::Parse(AsBytes(made[6].dac()));
  ASSERT_TRUE(dac.ok());
  const std::string skid = ToHex(dac->subject_key_id());
  for (const std::string& filter :
       {absl::StrCat("--dac-skid ", skid),
        absl::StrCat("--dac-serial ", ToHex(AsBytes(made[6].dac_serial()))),
        std::string("--serial-number F7"), std::string("--serial-from F7 --serial-until F7")}) {
    ASSERT_EQ(Run("audit list --lot filters --json " + filter), kOk) << filter << said_;
    EXPECT_THAT(printed_, HasSubstr(made[6].device_id())) << filter;
    EXPECT_THAT(printed_, Not(HasSubstr(made[5].device_id()))) << filter;
  }
  ASSERT_EQ(Run("audit show --dac-skid " + skid), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr(made[6].device_id()));
  ASSERT_EQ(Run("audit show --serial-number F7 --lot filters"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr(made[6].device_id()));
  EXPECT_EQ(Run("audit list --serial-from F9 --serial-until F1"), kRefused);
  EXPECT_THAT(said_, HasSubstr("serial_number_from"));
  EXPECT_EQ(Run("audit list --dac-skid 0102"), kRefused);
  EXPECT_THAT(said_, HasSubstr("20 bytes"));
}

TEST_F(AuditTest, ADevicesHistoryNamesWhoDidWhatAndWhen) {
  office_.OpenLot("history", office_.Light(), 5);
  const auto made = IssueSome("history", 1, "H");
  ASSERT_TRUE(Confirm("history", "H-t1", v1::OUTCOME_PROVISIONED).ok());
  const auto stub = Records();
  v1::GetHistoryRequest request;
  request.set_device_id(made[0].device_id());
  v1::GetHistoryResponse history;
  // The ledger's places come within a second.
  const auto placed = [&](const std::string& what) {
    for (const auto& event : history.events()) {
      if (event.what() == what && event.has_ledger_index()) return true;
    }
    return false;
  };
  do {
    const grpc::Status status = stub->GetHistory(Context().get(), request, &history);
    ASSERT_TRUE(status.ok()) << status.error_message();
  } while (!placed("seal") || !placed("confirm"));
  std::vector<std::string> told;
  for (const auto& event : history.events()) {
    told.push_back(absl::StrCat(event.what(), " ", event.actor()));
  }
  EXPECT_THAT(told, Contains(absl::StrCat("lot.open ", kOperator)));
  EXPECT_THAT(told, Contains(absl::StrCat("product.apply ", kOperator)));
  EXPECT_THAT(told, Contains(absl::StrCat("intent ", kLine)));
  EXPECT_THAT(told, Contains(absl::StrCat("seal ", kLine)));
  EXPECT_THAT(told, Contains(absl::StrCat("confirm ", kLine)));
  for (int i = 1; i < history.events_size(); ++i) {
    EXPECT_LE(history.events(i - 1).at().seconds(), history.events(i).at().seconds());
  }
  ASSERT_EQ(Run("audit show " + made[0].device_id()), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("confirm"));
}

TEST_F(AuditTest, AWatchSeesWhatHappensAfterItBeganAndOnlyItsFilter) {
  office_.OpenLot("watch-1", office_.Light(), 5);
  office_.OpenLot("watch-2", office_.Light(), 5);
  IssueSome("watch-1", 1, "before");
  const auto stub = Records();
  v1::FollowRequest request;
  request.mutable_filter()->set_lot("watch-1");
  v1::FollowResponse answer;
  // From where all that was done so far has its place.
  while (*PostgresCluster::Execute(
             office_.dsn(), "SELECT count(*) FROM ledger_entries WHERE seq IS NULL") != "0") {
  }
  ASSERT_TRUE(stub->Follow(Context().get(), request, &answer).ok());
  EXPECT_EQ(answer.events_size(), 0);
  request.set_position(answer.position());
  IssueSome("watch-2", 1, "other");
  const auto made = IssueSome("watch-1", 1, "after");
  ASSERT_TRUE(Confirm("watch-1", "after-t1", v1::OUTCOME_SCRAPPED).ok());
  std::vector<std::string> seen;
  while (seen.size() < 2) {
    const grpc::Status status = stub->Follow(Context().get(), request, &answer);
    ASSERT_TRUE(status.ok()) << status.error_message();
    request.set_position(answer.position());
    for (const auto& event : answer.events()) {
      seen.push_back(event.what() + " " + event.device().serial_number());
    }
  }
  EXPECT_THAT(seen, ElementsAre("device.seal after1", "device.confirm after1"));
}

TEST_F(AuditTest, APageGoesOnWhereItWasWhateverIsSealedMeanwhile) {
  office_.OpenLot("pages", office_.Light(), 40);
  IssueSome("pages", 5, "P");
  const auto stub = v1::AuditService::NewStub(office_.ChannelAs(kAuditor));
  v1::ListDevicesRequest request;
  request.mutable_filter()->set_lot("pages");
  request.set_page_size(2);
  std::vector<std::string> seen;
  for (int page = 0;; ++page) {
    v1::ListDevicesResponse response;
    ASSERT_TRUE(stub->ListDevices(Context().get(), request, &response).ok());
    for (const auto& row : response.rows()) seen.push_back(row.serial_number());
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
    if (page < 2) IssueSome("pages", 2, absl::StrCat("Q", page, "-"));
  }
  EXPECT_THAT(seen, ElementsAre("P1", "P2", "P3", "P4", "P5", "Q0-1", "Q0-2", "Q1-1", "Q1-2"));
}

TEST_F(AuditTest, LinesAndOperatorsReadNoRecords) {
  for (const char* who : {kLine, kOperator}) {
    v1::GetHistoryRequest request;
    request.set_device_id("x");
    v1::GetHistoryResponse response;
    EXPECT_EQ(ReasonIn(Records(who)->GetHistory(Context().get(), request, &response)),
              "ROLE_MISSING");
  }
}

// ---- an Office of its own, whose database is changed under it

class AuditGateTest : public ::testing::Test {};

TEST_F(AuditGateTest, ReadingIsItselfInTheLedger) {
  Office office;
  office.OpenLot("read", office.Light(), 5);
  const auto audit = v1::AuditService::NewStub(office.ChannelAs(kAuditor));
  v1::ListDevicesRequest list;
  list.mutable_filter()->set_lot("read");
  v1::ListDevicesResponse rows;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(audit->ListDevices(Context().get(), list, &rows).ok());
  }
  office.Stop();
  const auto entries = PostgresCluster::Execute(
      office.dsn(), "SELECT body FROM ledger_entries WHERE kind = 'audit.read'");
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_THAT(*entries, HasSubstr(kAuditor));
  EXPECT_THAT(*entries, HasSubstr("\"calls\":3"));
  EXPECT_THAT(*entries, HasSubstr("AuditService/ListDevices"));
}

TEST_F(AuditGateTest, NothingIsIssuedThatTheLedgerCannotRecord) {
  Office office;
  office.OpenLot("gate", office.Light(), 5);
  v1::IssueResponse issued;
  ASSERT_TRUE(office.Issue(Office::Request("gate", "t1"), &issued).ok());
  const auto sql = [&](const std::string& text) {
    const auto done = PostgresCluster::Execute(office.dsn(), text);
    ASSERT_TRUE(done.ok()) << done.status();
  };
  sql("CREATE FUNCTION no_entry() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN RAISE EXCEPTION 'no room for entries' USING ERRCODE = 'disk_full'; END $$");
  sql("CREATE TRIGGER no_entry BEFORE INSERT ON ledger_entries FOR EACH ROW "
      "EXECUTE FUNCTION no_entry()");
  const grpc::Status refused = office.Issue(Office::Request("gate", "t2"), &issued);
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(office.LotNow("gate").sealed(), 1u);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  v1::ConfirmRequest confirm;
  confirm.set_lot("gate");
  confirm.set_ticket("t1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  v1::ConfirmResponse confirmed;
  EXPECT_FALSE(stub->Confirm(Context().get(), confirm, &confirmed).ok());
  EXPECT_EQ(office.LotNow("gate").confirmed(), 0u);
  sql("DROP TRIGGER no_entry ON ledger_entries");
  grpc::Status again;
  do {
    again = office.Issue(Office::Request("gate", "t2"), &issued);
  } while (!again.ok() && HasRetryInfo(again));
  EXPECT_TRUE(again.ok()) << again.error_message();
  EXPECT_EQ(office.LotNow("gate").sealed(), 2u);
}

}  // namespace
}  // namespace assay::integration
