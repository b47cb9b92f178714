// What auditors and lines give wrongly: each is refused by name, and nothing is left behind.
#include "tests/integration/audit/audit_fixture.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using BadAuditInputTest = RecordsTest;

TEST_F(BadAuditInputTest, TicketsThatAreEmptyHugeOrAnotherLines) {
  office_.OpenLot("bad-tickets", office_.Light(), 5);
  const auto issue = [&](const std::string& ticket, const char* as = kLine) {
    v1::IssueResponse response;
    return ReasonIn(office_.Issue(Office::Request("bad-tickets", ticket), &response, as));
  };
  EXPECT_EQ(issue(""), "FIELD_REQUIRED");
  EXPECT_THAT(issue(std::string(129, 't')), ::testing::AnyOf("FIELD_TOO_LONG", "FIELD_MALFORMED"));
  EXPECT_THAT(issue(std::string(1 << 20, 't')),
              ::testing::AnyOf("FIELD_TOO_LONG", "FIELD_MALFORMED"));
  EXPECT_EQ(issue("white space"), "FIELD_MALFORMED");
  EXPECT_EQ(issue(std::string(128, 't')), "");
  EXPECT_EQ(issue(std::string(128, 't'), kPlainLine), "TICKET_OF_ANOTHER_LINE");
  EXPECT_EQ(office_.LotNow("bad-tickets").claimed(), 1u);
}

TEST_F(BadAuditInputTest, ConfirmingWhatIsUnknownVoidedForeignOrSaidOtherwise) {
  office_.OpenLot("bad-confirm", office_.Light(), 5);
  office_.OpenLot("bad-south", office_.Light(), 5, "south");
  IssueSome("bad-confirm", 2, "C");
  const auto confirm = [&](const std::string& lot, const std::string& ticket,
                           v1::Outcome outcome = v1::OUTCOME_PROVISIONED, const char* as = kLine) {
    return ReasonIn(Confirm(lot, ticket, outcome, as));
  };
  EXPECT_EQ(confirm("bad-confirm", "never"), "TICKET_UNKNOWN");
  EXPECT_EQ(confirm("bad-confirm", ""), "FIELD_REQUIRED");
  EXPECT_EQ(confirm("bad-confirm", "C-t1", v1::OUTCOME_PROVISIONED, kPlainLine),
            "TICKET_OF_ANOTHER_LINE");
  EXPECT_EQ(confirm("bad-south", "C-t1"), "LOT_NOT_GRANTED");
  // As if it were not granted: nobody learns which lots there are.
  EXPECT_EQ(confirm("no-such-lot", "C-t1"), "LOT_NOT_GRANTED");
  EXPECT_EQ(confirm("bad-confirm", "C-t1", v1::OUTCOME_UNSPECIFIED), "FIELD_OUT_OF_RANGE");
  // An attempt that died left no device.
  const auto voided = PostgresCluster::Execute(
      office_.dsn(),
      "INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, tbs_sha256, "
      "pai, instance_id, live, voided_at, void_reason) SELECT id, 'died', 'north-1', 'x', '\\x00', "
      "'dead-device', '\\x00', '', 'gone', false, now(), 'HSM_TIMEOUT' FROM lots WHERE name = "
      "'bad-confirm'");
  ASSERT_TRUE(voided.ok()) << voided.status();
  EXPECT_EQ(confirm("bad-confirm", "died"), "TICKET_UNKNOWN");

  EXPECT_EQ(confirm("bad-confirm", "C-t1"), "");
  v1::ConfirmResponse again;
  EXPECT_TRUE(Confirm("bad-confirm", "C-t1", v1::OUTCOME_PROVISIONED, kLine, &again).ok());
  EXPECT_TRUE(again.confirmed_before());
  EXPECT_EQ(confirm("bad-confirm", "C-t1", v1::OUTCOME_SCRAPPED), "CONFIRM_CONFLICT");
  EXPECT_EQ(office_.LotNow("bad-confirm").confirmed(), 1u);
  EXPECT_EQ(office_.LotNow("bad-confirm").scrapped(), 0u);
}

TEST_F(BadAuditInputTest, TokensThatAreForgedOrOfAnotherQuery) {
  office_.OpenLot("bad-tokens", office_.Light(), 5);
  IssueSome("bad-tokens", 3, "T");
  const auto audit = v1::AuditService::NewStub(office_.ChannelAs(kAuditor));
  v1::ListDevicesRequest list;
  list.mutable_filter()->set_lot("bad-tokens");
  list.set_page_size(1);
  v1::ListDevicesResponse page;
  ASSERT_TRUE(audit->ListDevices(Context().get(), list, &page).ok());
  const std::string token = page.next_page_token();
  const auto asked = [&](const std::string& with) {
    v1::ListDevicesRequest request = list;
    request.set_page_token(with);
    return ReasonIn(audit->ListDevices(Context().get(), request, &page));
  };
  EXPECT_EQ(asked(token), "");
  for (size_t i = 0; i < token.size(); i += 5) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(asked(forged), "PAGE_TOKEN_INVALID") << i;
  }
  EXPECT_EQ(asked("1"), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(asked(std::string(100'000, 'A')), "PAGE_TOKEN_INVALID");
  // Of another query, which differs by what is new in filters too.
  v1::ListDevicesRequest other = list;
  other.mutable_filter()->set_serial_number_from("T1");
  other.set_page_token(token);
  EXPECT_EQ(ReasonIn(audit->ListDevices(Context().get(), other, &page)), "PAGE_TOKEN_INVALID");
  // Of another caller, and of another call.
  other = list;
  other.set_page_token(token);
  const auto codes = v1::AuditService::NewStub(office_.ChannelAs(kCodesAuditor));
  EXPECT_EQ(ReasonIn(codes->ListDevices(Context().get(), other, &page)), "PAGE_TOKEN_INVALID");
  v1::FollowRequest follow;
  *follow.mutable_filter() = list.filter();
  follow.set_position(token);
  v1::FollowResponse followed;
  EXPECT_EQ(ReasonIn(Records()->Follow(Context().get(), follow, &followed)), "PAGE_TOKEN_INVALID");
  follow.set_position("forged");
  EXPECT_EQ(ReasonIn(Records()->Follow(Context().get(), follow, &followed)), "PAGE_TOKEN_INVALID");
}

TEST_F(BadAuditInputTest, ATimeThatEndsBeforeItBegins) {
  const auto audit = v1::AuditService::NewStub(office_.ChannelAs(kAuditor));
  v1::ListDevicesRequest list;
  list.mutable_filter()->mutable_sealed_from()->set_seconds(1'800'000'001);
  list.mutable_filter()->mutable_sealed_until()->set_seconds(1'800'000'000);
  v1::ListDevicesResponse page;
  const grpc::Status refused = audit->ListDevices(Context().get(), list, &page);
  EXPECT_EQ(ReasonIn(refused), "FIELDS_CONTRADICT");
  EXPECT_EQ(MetadataIn(refused, "field"), "filter.sealed_from");
}

TEST_F(BadAuditInputTest, AnExportCancelledMidWayEndsAndHoldsUpNobody) {
  office_.OpenLot("bad-export", office_.Light(), 10);
  IssueSome("bad-export", 3, "E");
  Key();
  const auto stub = Records();
  v1::ExportRequest request;
  request.mutable_filter()->set_lot("bad-export");
  request.set_format(v1::EXPORT_FORMAT_CSV);
  // More of them than there are threads for such calls.
  for (int i = 0; i < 12; ++i) {
    grpc::ClientContext context;
    const auto reader = stub->Export(&context, request);
    v1::ExportPart part;
    ASSERT_TRUE(reader->Read(&part));
    EXPECT_EQ(part.begin().total(), 3u);
    context.TryCancel();
    while (reader->Read(&part)) {
    }
    const grpc::Status ended = reader->Finish();
    EXPECT_TRUE(ended.ok() || ended.error_code() == grpc::StatusCode::CANCELLED);
  }
  ASSERT_EQ(Run("audit export --lot bad-export --out " + Path("rows.csv")), kOk) << said_;
  request.set_format(v1::EXPORT_FORMAT_UNSPECIFIED);
  v1::ExportPart part;
  const auto context = Context();
  const auto reader = stub->Export(context.get(), request);
  EXPECT_FALSE(reader->Read(&part));
  EXPECT_EQ(ReasonIn(reader->Finish()), "FIELD_OUT_OF_RANGE");
}

TEST_F(BadAuditInputTest, AFileThatCannotBeWrittenEndsTheExportAndLeavesNothing) {
  EXPECT_EQ(Run("audit export --out " + Path("no-such-folder/rows.csv")), kRefused);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().filename().string().find("rows.csv"), std::string::npos);
  }
}

TEST_F(BadAuditInputTest, AReceiptOfAnotherDeviceOrOlderThanACheckpointSeen) {
  office_.OpenLot("bad-receipts", office_.Light(), 10);
  const auto made = IssueSome("bad-receipts", 2, "R");
  const std::string key = Key();
  while (Run("receipt get --device " + made[0].device_id() + " --out " + Path("receipts")) != kOk) {
  }
  const std::string receipt = Path("receipts/" + made[0].device_id() + ".tlog-proof");
  ASSERT_EQ(Run("receipt verify " + receipt + " --key " + key + " --device " + made[0].device_id()),
            kOk)
      << said_;
  EXPECT_EQ(Run("receipt verify " + receipt + " --key " + key + " --device " + made[1].device_id()),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("is not the device of the entry"));
  // Of another key with the same log's name.
  Put("other.dac", made[1].dac());
  EXPECT_EQ(Run("receipt verify " + receipt + " --key " + key + " --dac " + Path("other.dac")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("FIELDS_CONTRADICT"));
  // A checkpoint seen since is newer than the receipt's.
  const auto size_of = [&] {
    EXPECT_EQ(Run("ledger checkpoint --out " + Path("newer")), kOk) << said_;
    return *ReadTextFile(Path("newer"));
  };
  const std::string before = size_of();
  IssueSome("bad-receipts", 1, "later");
  while (size_of() == before) {
  }
  EXPECT_EQ(Run("receipt verify " + receipt + " --key " + key + " --not-before " + Path("newer")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("CHECKPOINT_STALE"));
  // So is an export's.
  ASSERT_EQ(Run("audit export --lot bad-receipts --out " + Path("old.csv")), kOk) << said_;
  const std::string then = size_of();
  IssueSome("bad-receipts", 1, "latest");
  while (size_of() == then) {
  }
  EXPECT_EQ(Run("audit verify-export " + Path("old.csv") + " --key " + key + " --not-before " +
                Path("newer")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("CHECKPOINT_STALE"));
}

}  // namespace
}  // namespace assay::integration
