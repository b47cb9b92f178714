// From an issue to a receipt an auditor checks with the public key alone.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "base/refusal.h"
#include "client/ledger_reader.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"
#include "tlog/log_check.h"
#include "tlog/receipt.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using testing::HasSubstr;

class LedgerTest : public ::testing::Test {
 protected:
  std::unique_ptr<v1::LedgerService::Stub> Ledger(const std::string& as = kAuditor) {
    return v1::LedgerService::NewStub(office.ChannelAs(as));
  }
  // Asks again while the server says that the signature is still to come.
  v1::GetReceiptsResponse Receipts(const std::string& device_id, int entries = 1) {
    v1::GetReceiptsRequest request;
    request.set_device_id(device_id);
    v1::GetReceiptsResponse response;
    const auto stub = Ledger();
    while (response.receipts_size() < entries) {
      const grpc::Status status = stub->GetReceipts(Context().get(), request, &response);
      if (status.ok() || ReasonIn(status) == "LEDGER_PENDING") continue;
      ADD_FAILURE() << status.error_message();
      break;
    }
    return response;
  }
  tlog::NoteKey Key() {
    v1::GetCheckpointResponse response;
    EXPECT_TRUE(Ledger()->GetCheckpoint(Context().get(), {}, &response).ok());
    const auto key = tlog::NoteKey::Parse(response.verifier_key());
    EXPECT_TRUE(key.ok()) << key.status();
    return *key;
  }
  std::string IssueOne(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    const grpc::Status status = office.Issue(Office::Request(lot, ticket), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity().device_id();
  }

  Office& office = Office::Shared();
};

TEST_F(LedgerTest, AnIssueHasAReceiptThatThePublicKeyAloneProves) {
  office.OpenLot("proved", office.Light(), 3);
  v1::IssueResponse issued;
  ASSERT_TRUE(office.Issue(Office::Request("proved", "t-1"), &issued).ok());
  const auto answer = Receipts(issued.identity().device_id());
  ASSERT_EQ(answer.receipts_size(), 1);
  const auto proved = tlog::VerifyReceipt(answer.receipts(0).text(), Key());
  ASSERT_TRUE(proved.ok()) << proved.status();
  const auto entry = nlohmann::json::parse(AsText(proved->entry)).at("entry");
  EXPECT_EQ(entry.at("device"), issued.identity().device_id());
  EXPECT_EQ(entry.at("ticket"), "t-1");
  EXPECT_EQ(entry.at("dac_sha256"), ToHex(Sha256(AsBytes(issued.identity().dac()))));
}

TEST_F(LedgerTest, NoEntryHoldsASecret) {
  office.OpenLot("discreet", office.Light(), 3);
  v1::IssueResponse issued;
  ASSERT_TRUE(office.Issue(Office::Request("discreet", "t-1"), &issued).ok());
  const auto answer = Receipts(issued.identity().device_id());
  ASSERT_EQ(answer.receipts_size(), 1);
  const std::string& entry = answer.receipts(0).entry();
  const v1::OnboardingCodes& codes = issued.identity().codes();
  EXPECT_EQ(entry.find(std::to_string(codes.passcode())), std::string::npos);
  EXPECT_EQ(entry.find(codes.qr_code()), std::string::npos);
  EXPECT_EQ(entry.find(codes.manual_code()), std::string::npos);
}

TEST_F(LedgerTest, WhatBecameOfADeviceIsProvedAsWell) {
  office.OpenLot("told", office.Light(), 3);
  const std::string device = IssueOne("told", "t-1");
  v1::ConfirmRequest confirm;
  confirm.set_lot("told");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  v1::ConfirmResponse confirmed;
  const auto line = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  ASSERT_TRUE(line->Confirm(Context().get(), confirm, &confirmed).ok());
  const auto answer = Receipts(device, 2);
  ASSERT_EQ(answer.receipts_size(), 2);
  EXPECT_THAT(answer.receipts(1).entry(), HasSubstr("\"outcome\":\"provisioned\""));
  EXPECT_TRUE(tlog::VerifyReceipt(answer.receipts(1).text(), Key()).ok());
}

TEST_F(LedgerTest, ALineGetsItsOwnReceiptsAndNoOthers) {
  office.OpenLot("own", office.Light(), 3);
  const std::string device = IssueOne("own", "t-1");
  Receipts(device);
  v1::GetReceiptsRequest request;
  request.mutable_ticket()->set_lot("own");
  request.mutable_ticket()->set_ticket("t-1");
  v1::GetReceiptsResponse response;
  EXPECT_TRUE(Ledger(kLine)->GetReceipts(Context().get(), request, &response).ok());
  EXPECT_EQ(response.device_id(), device);
  EXPECT_EQ(ReasonIn(Ledger(kPlainLine)->GetReceipts(Context().get(), request, &response)),
            "TICKET_OF_ANOTHER_LINE");
  EXPECT_EQ(ReasonIn(Ledger(kSouthLine)->GetReceipts(Context().get(), request, &response)),
            "LOT_NOT_GRANTED");
  v1::GetReceiptsRequest by_id;
  by_id.set_device_id(device);
  EXPECT_EQ(ReasonIn(Ledger(kSouthLine)->GetReceipts(Context().get(), by_id, &response)),
            "DEVICE_UNKNOWN");
  by_id.set_device_id("no such device");
  EXPECT_EQ(ReasonIn(Ledger()->GetReceipts(Context().get(), by_id, &response)), "DEVICE_UNKNOWN");
}

TEST_F(LedgerTest, LinesSeeNeitherEntriesNorTiles) {
  v1::ReadEntriesResponse entries;
  v1::ReadTileResponse tile;
  EXPECT_EQ(ReasonIn(Ledger(kLine)->ReadEntries(Context().get(), {}, &entries)), "ROLE_MISSING");
  EXPECT_EQ(ReasonIn(Ledger(kLine)->ReadTile(Context().get(), {}, &tile)), "ROLE_MISSING");
}

TEST_F(LedgerTest, AnAuditorChecksTheWholeLedgerAndKeepsACopyOfIt) {
  office.OpenLot("whole", office.Light(), 300);
  for (int i = 0; i < 5; ++i) Receipts(IssueOne("whole", absl::StrCat("t-", i)));
  v1::GetCheckpointResponse answer;
  ASSERT_TRUE(Ledger()->GetCheckpoint(Context().get(), {}, &answer).ok());
  const tlog::NoteKey key = Key();
  const auto first = tlog::OpenCheckpoint(answer.checkpoint(), key);
  ASSERT_TRUE(first.ok()) << first.status();
  client::ServerLog log(client::Connection::Over(office.ChannelAs(kAuditor)));
  const auto findings = tlog::CheckLog(log, *first);
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_TRUE(findings->Clean()) << findings->faults[0];
  EXPECT_EQ(findings->entries, first->size);

  const std::string folder = (office.folder() / "tiles").string();
  ASSERT_TRUE(client::ExportTiles(log, *first, answer.checkpoint(), folder, {}).ok());
  for (int i = 5; i < 10; ++i) Receipts(IssueOne("whole", absl::StrCat("t-", i)));
  ASSERT_TRUE(Ledger()->GetCheckpoint(Context().get(), {}, &answer).ok());
  const auto second = tlog::OpenCheckpoint(answer.checkpoint(), key);
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(tlog::CheckGrowth(log, *first, *second).ok());
  ASSERT_TRUE(client::ExportTiles(log, *second, answer.checkpoint(), folder, {}).ok());
  client::FolderLog copy(folder);
  const auto in_copy = tlog::CheckLog(copy, *second);
  ASSERT_TRUE(in_copy.ok());
  EXPECT_TRUE(in_copy->Clean()) << in_copy->faults[0];
  EXPECT_TRUE(client::CheckLeftovers(copy, *second)->empty());

  // A partial tile left from before that is no beginning of what is signed now shows a fork.
  const std::string left = folder + "/" + tlog::TilePath({0, 0}, first->size % 256);
  ASSERT_TRUE(std::filesystem::exists(left));
  std::fstream file(left, std::ios::in | std::ios::out | std::ios::binary);
  const auto was = static_cast<char>(file.peek());
  file.seekp(0).put(static_cast<char>(~was));
  file.close();
  const auto leftovers = client::CheckLeftovers(copy, *second);
  ASSERT_EQ(leftovers->size(), 1u);
  EXPECT_THAT((*leftovers)[0], HasSubstr("the log has forked"));
}

TEST_F(LedgerTest, ProofsFromTheServerHold) {
  office.OpenLot("proofs", office.Light(), 3);
  const auto receipts = Receipts(IssueOne("proofs", "t-1"));
  const uint64_t index = receipts.receipts(0).index();
  const auto stub = Ledger();
  v1::GetCheckpointRequest ask;
  ask.set_size(index + 1);
  v1::GetCheckpointResponse answer;
  ASSERT_TRUE(stub->GetCheckpoint(Context().get(), ask, &answer).ok());
  const auto checkpoint = tlog::OpenCheckpoint(answer.checkpoint(), Key());
  ASSERT_TRUE(checkpoint.ok());
  v1::GetInclusionProofRequest request;
  request.set_index(index);
  request.set_size(checkpoint->size);
  v1::GetInclusionProofResponse proof;
  ASSERT_TRUE(stub->GetInclusionProof(Context().get(), request, &proof).ok());
  tlog::Path path;
  for (const std::string& hash : proof.path())
    path.push_back((*tlog::HashesOf(AsBytes(hash), 1))[0]);
  EXPECT_TRUE(tlog::VerifyInclusion(tlog::LeafHash(AsBytes(receipts.receipts(0).entry())), index,
                                    checkpoint->size, checkpoint->root, path)
                  .ok());
  request.set_index(1'000'000);
  EXPECT_EQ(ReasonIn(stub->GetInclusionProof(Context().get(), request, &proof)), "LEDGER_UNKNOWN");
  request.set_size(1'000'000);
  EXPECT_EQ(ReasonIn(stub->GetInclusionProof(Context().get(), request, &proof)), "LEDGER_UNKNOWN");
}

// Forgery behind the server's back: an Office of its own, whose database is written to directly.
class LedgerForkTest : public ::testing::Test {
 protected:
  static void Sql(Office& office, const std::string& sql) {
    const auto done = PostgresCluster::Execute(office.dsn(), sql);
    ASSERT_TRUE(done.ok()) << done.status();
  }
  static tlog::Checkpoint AwaitSigned(Office& office, uint64_t size) {
    const auto stub = v1::LedgerService::NewStub(office.ChannelAs(kAuditor));
    v1::GetCheckpointRequest request;
    request.set_size(size);
    v1::GetCheckpointResponse answer;
    while (!stub->GetCheckpoint(Context().get(), request, &answer).ok()) {
    }
    const auto opened =
        tlog::OpenCheckpoint(answer.checkpoint(), *tlog::NoteKey::Parse(answer.verifier_key()));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *opened;
  }
};

TEST_F(LedgerForkTest, AnEditedRowIsNamedByTheAuditorAndTheNextStartAndNothingIsIssued) {
  Office office;
  office.OpenLot("forged", office.Light(), 10);
  v1::IssueResponse issued;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(office.Issue(Office::Request("forged", absl::StrCat("t-", i)), &issued).ok());
  }
  const auto entries =
      PostgresCluster::Execute(office.dsn(), "SELECT count(*) FROM ledger_entries");
  const tlog::Checkpoint signed_before = AwaitSigned(office, std::stoull(*entries));
  Sql(office,
      "UPDATE ledger_entries SET body = replace(body, 't-1', 't-9') WHERE kind = 'device.seal'");
  client::ServerLog log(client::Connection::Over(office.ChannelAs(kAuditor)));
  const auto findings = tlog::CheckLog(log, signed_before);
  ASSERT_TRUE(findings.ok()) << findings.status();
  ASSERT_FALSE(findings->Clean());
  EXPECT_THAT(findings->faults[0], HasSubstr("was changed, moved or taken away"));

  // A receipt is refused rather than made from a forged row.
  const auto stub = v1::LedgerService::NewStub(office.ChannelAs(kAuditor));
  v1::GetReceiptsResponse response;
  v1::GetReceiptsRequest request;
  const auto forged = PostgresCluster::Execute(
      office.dsn(), "SELECT device FROM ledger_entries WHERE body LIKE '%t-9%'");
  request.set_device_id(*forged);
  EXPECT_EQ(ReasonIn(stub->GetReceipts(Context().get(), request, &response)), "LEDGER_FORKED");

  office.Stop();
  ASSERT_TRUE(office.StartAgain().ok());
  // Not ready before the first look, and not after it.
  while (office.daemon().MetricsText().find("\nassay_ledger_forked 1\n") == std::string::npos) {
  }
  office.AwaitReady(false);
  const grpc::Status stopped = office.Issue(Office::Request("forged", "t-4"), &issued);
  EXPECT_EQ(ReasonIn(stopped), "LEDGER_FORKED") << stopped.error_message();
}

}  // namespace
}  // namespace assay::integration
