// Guarded acts where two people are required: each bad approval, and both people in the ledger.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <stdlib.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "assay/v1/approval.grpc.pb.h"
#include "client/command/parse.h"
#include "client/fault.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/softhsm_fixture.h"

namespace assay::integration {
namespace {

using testing::HasSubstr;

constexpr char kBob[] = "spiffe://assay.test/operator/bob";
constexpr char kCid[] = "spiffe://assay.test/operator/cid";
constexpr char kSouthOperator[] = "spiffe://assay.test/operator/south";

class ApprovalTest : public testing::Test {
 protected:
  // The office's daemon, begun again with the rule of two people.
  static void SetUpTestSuite() {
    Office& office = Office::Shared();
    const auto spec = office.Light();
    office.OpenLot("before", spec, 5);
    office.Stop();
    ops::Config config = office.config();
    config.approval.required = true;
    for (const char* uri : {kBob, kCid, kSouthOperator}) {
      access::Grant grant;
      grant.identity = uri;
      grant.roles = {access::Role::kOperator};
      grant.factories = {uri == kSouthOperator ? "south" : "*"};
      grant.lots = {"*"};
      config.grants.push_back(grant);
    }
    auto daemon = app::Daemon::Start(config);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = daemon->release();
    ASSERT_TRUE(daemon_->AwaitReady(true, std::chrono::minutes(2)));
  }
  static void TearDownTestSuite() {
    delete daemon_;
    daemon_ = nullptr;
  }

  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& uri) {
    grpc::SslCredentialsOptions options;
    const auto identity = office_.pki().Client(uri);
    options.pem_root_certs = office_.pki().ca();
    options.pem_private_key = identity.key;
    options.pem_cert_chain = identity.certificate;
    return grpc::CreateChannel("localhost:" + std::to_string(daemon_->port()),
                               grpc::SslCredentials(options));
  }
  std::unique_ptr<v1::ApprovalService::Stub> Desk(const std::string& uri) {
    return v1::ApprovalService::NewStub(ChannelAs(uri));
  }

  v1::OpenLotRequest Opening(const std::string& lot, uint64_t count = 7) {
    v1::OpenLotRequest open;
    open.set_request_id(office_.NextId());
    open.set_name(lot);
    open.set_product("product-before");
    open.set_factory("north");
    open.set_count(count);
    return open;
  }
  v1::Proposal Propose(const v1::OpenLotRequest& open, const std::string& as = kOperator) {
    v1::ProposeRequest request;
    *request.mutable_act()->mutable_open_lot() = open;
    v1::ProposeResponse response;
    const grpc::Status status = Desk(as)->Propose(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.proposal();
  }
  v1::ApproveProposalRequest Approval(const v1::Proposal& proposal) {
    v1::ApproveProposalRequest request;
    request.set_request_id(office_.NextId());
    request.set_id(proposal.id());
    request.set_digest(proposal.digest());
    return request;
  }
  grpc::Status Approve(const v1::ApproveProposalRequest& request, const std::string& as,
                       v1::ApproveProposalResponse* response = nullptr) {
    v1::ApproveProposalResponse ignored;
    return Desk(as)->ApproveProposal(Context().get(), request,
                                     response != nullptr ? response : &ignored);
  }
  bool Exists(const std::string& lot) {
    v1::GetLotRequest request;
    request.set_name(lot);
    v1::Lot found;
    return v1::CatalogService::NewStub(ChannelAs(kOperator))
        ->GetLot(Context().get(), request, &found)
        .ok();
  }
  v1::Proposal Now(const std::string& id) {
    v1::GetProposalRequest request;
    request.set_id(id);
    v1::Proposal found;
    EXPECT_TRUE(Desk(kAuditor)->GetProposal(Context().get(), request, &found).ok());
    return found;
  }
  std::string Ledger(const std::string& where) {
    const auto found = test_support::PostgresCluster::Execute(
        office_.dsn(),
        "SELECT coalesce(string_agg(body, E'\\n'), '') FROM ledger_entries WHERE " + where);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or("");
  }

  Office& office_ = Office::Shared();
  static app::Daemon* daemon_;
};
app::Daemon* ApprovalTest::daemon_ = nullptr;

TEST_F(ApprovalTest, AnOrdinaryCallRecordsAProposalAndNamesTheCommandThatApprovesIt) {
  const v1::OpenLotRequest open = Opening("plain");
  const auto catalog = v1::CatalogService::NewStub(ChannelAs(kOperator));
  v1::Lot lot;
  const grpc::Status status = catalog->OpenLot(Context().get(), open, &lot);
  EXPECT_EQ(ReasonIn(status), "SECOND_PERSON_REQUIRED");
  EXPECT_FALSE(HasRetryInfo(status));
  const std::string said = status.error_message();
  const size_t at = said.find("assay proposal approve p-");
  ASSERT_NE(at, std::string::npos) << said;
  const std::string id = said.substr(at + 23, 14);
  EXPECT_FALSE(Exists("plain"));
  // Asked again it is the same proposal, also when another operator asks for the same.
  EXPECT_THAT(catalog->OpenLot(Context().get(), open, &lot).error_message(), HasSubstr(id));
  v1::OpenLotRequest bobs = open;
  bobs.set_request_id(office_.NextId());
  EXPECT_THAT(v1::CatalogService::NewStub(ChannelAs(kBob))
                  ->OpenLot(Context().get(), bobs, &lot)
                  .error_message(),
              HasSubstr(id));
  v1::ApproveProposalResponse response;
  const grpc::Status approved = Approve(Approval(Now(id)), kBob, &response);
  ASSERT_TRUE(approved.ok()) << approved.error_message();
  EXPECT_EQ(response.lot().count(), 7u);
  EXPECT_TRUE(Exists("plain"));
  // What is so already needs nobody.
  EXPECT_TRUE(catalog->OpenLot(Context().get(), open, &lot).ok());
}

TEST_F(ApprovalTest, TheLedgerNamesBothPeople) {
  const v1::Proposal proposal = Propose(Opening("both"));
  ASSERT_TRUE(Approve(Approval(proposal), kBob).ok());
  const std::string act = Ledger("kind = 'lot.open' AND body LIKE '%" + proposal.id() + "%'");
  EXPECT_THAT(act, HasSubstr(absl::StrCat("\"actor\":\"", kOperator)));
  EXPECT_THAT(act, HasSubstr(absl::StrCat("\"approved_by\":\"", kBob)));
  const std::string about = "body LIKE '%" + proposal.id() + "%'";
  EXPECT_THAT(Ledger("kind = 'act.propose' AND " + about), HasSubstr(kOperator));
  EXPECT_THAT(Ledger("kind = 'act.approve' AND " + about), HasSubstr(kBob));
}

TEST_F(ApprovalTest, TheProposerCannotApprove) {
  const v1::Proposal proposal = Propose(Opening("same"));
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kOperator)), "SAME_PERSON");
  EXPECT_FALSE(Exists("same"));
}

TEST_F(ApprovalTest, AProposalIsRefusedByTheFieldOfItsAct) {
  const auto refused = [&](const v1::ProposeRequest& request) {
    v1::ProposeResponse response;
    return Desk(kOperator)->Propose(Context().get(), request, &response);
  };
  v1::ProposeRequest raise;
  raise.mutable_act()->mutable_raise_lot()->set_request_id(office_.NextId());
  raise.mutable_act()->mutable_raise_lot()->set_name("nowhere");
  raise.mutable_act()->mutable_raise_lot()->set_count(9);
  EXPECT_EQ(MetadataIn(refused(raise), "field"), "act.raise_lot.name");
  v1::ProposeRequest activate;
  activate.mutable_act()->mutable_activate_pai()->set_request_id(office_.NextId());
  activate.mutable_act()->mutable_activate_pai()->set_name("nowhere");
  EXPECT_EQ(MetadataIn(refused(activate), "field"), "act.activate_pai.name");
  v1::ProposeRequest again;
  *again.mutable_act()->mutable_open_lot() = Opening("path-1");
  ASSERT_TRUE(refused(again).ok());
  again.mutable_act()->mutable_open_lot()->set_name("path-2");
  const grpc::Status other = refused(again);
  EXPECT_EQ(ReasonIn(other), "REQUEST_CONFLICT");
  EXPECT_EQ(MetadataIn(other, "field"), "act.open_lot.request_id");
  EXPECT_EQ(MetadataIn(refused({}), "field"), "act");
}

TEST_F(ApprovalTest, NobodyApprovesTwiceButARetryIsAnswered) {
  const v1::Proposal proposal = Propose(Opening("twice"));
  const v1::ApproveProposalRequest approval = Approval(proposal);
  ASSERT_TRUE(Approve(approval, kBob).ok());
  v1::ApproveProposalResponse again;
  ASSERT_TRUE(Approve(approval, kBob, &again).ok());
  EXPECT_EQ(again.proposal().state(), v1::PROPOSAL_STATE_APPROVED);
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kBob)), "PROPOSAL_NOT_OPEN");
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kCid)), "PROPOSAL_NOT_OPEN");
}

TEST_F(ApprovalTest, AnExpiredProposalIsRefused) {
  const v1::Proposal proposal = Propose(Opening("late"));
  ASSERT_TRUE(test_support::PostgresCluster::Execute(
                  office_.dsn(), "UPDATE guarded_proposals SET expires_at = now() WHERE id = '" +
                                     proposal.id() + "'")
                  .ok());
  const grpc::Status status = Approve(Approval(proposal), kBob);
  EXPECT_EQ(ReasonIn(status), "PROPOSAL_NOT_OPEN");
  EXPECT_THAT(status.error_message(), HasSubstr("expired at "));
  EXPECT_EQ(Now(proposal.id()).state(), v1::PROPOSAL_STATE_EXPIRED);
  EXPECT_FALSE(Exists("late"));
}

TEST_F(ApprovalTest, AnotherContentThanWasShownIsRefused) {
  const v1::Proposal proposal = Propose(Opening("content"));
  v1::ApproveProposalRequest approval = Approval(proposal);
  approval.mutable_digest()->front() ^= 1;
  EXPECT_EQ(ReasonIn(Approve(approval, kBob)), "REQUEST_CONFLICT");
  // Nor does it help to change what the database holds.
  v1::GuardedAct larger;
  *larger.mutable_open_lot() = Opening("content", 1'000'000);
  ASSERT_TRUE(test_support::PostgresCluster::Execute(
                  office_.dsn(), absl::StrCat("UPDATE guarded_proposals SET request = '\\x",
                                              ToHex(AsBytes(larger.SerializeAsString())),
                                              "' WHERE id = '", proposal.id(), "'"))
                  .ok());
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kBob)), "REQUEST_CONFLICT");
  EXPECT_FALSE(Exists("content"));
}

TEST_F(ApprovalTest, WhatWouldDoSomethingElseByNowIsRefused) {
  const v1::Proposal proposal = Propose(Opening("moved"));
  v1::ApplyProductRequest apply;
  apply.set_request_id(office_.NextId());
  apply.set_name("product-before");
  v1::GetProductRequest get;
  get.set_name("product-before");
  v1::Product product;
  const auto catalog = v1::CatalogService::NewStub(ChannelAs(kOperator));
  ASSERT_TRUE(catalog->GetProduct(Context().get(), get, &product).ok());
  *apply.mutable_spec() = product.spec();
  apply.mutable_spec()->set_product_name("Lamp " + proposal.id());
  ASSERT_TRUE(catalog->ApplyProduct(Context().get(), apply, &product).ok());
  const grpc::Status status = Approve(Approval(proposal), kBob);
  EXPECT_EQ(ReasonIn(status), "REQUEST_CONFLICT");
  EXPECT_THAT(status.error_message(), HasSubstr("revision"));
  EXPECT_FALSE(Exists("moved"));
  v1::RejectProposalRequest reject;
  reject.set_request_id(office_.NextId());
  reject.set_id(proposal.id());
  reject.set_note("the product has changed");
  v1::Proposal rejected;
  ASSERT_TRUE(Desk(kOperator)->RejectProposal(Context().get(), reject, &rejected).ok());
  EXPECT_EQ(rejected.state(), v1::PROPOSAL_STATE_REJECTED);
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kBob)), "PROPOSAL_NOT_OPEN");
}

TEST_F(ApprovalTest, AnotherRoleNeitherProposesNorApproves) {
  const v1::Proposal proposal = Propose(Opening("roles"));
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kAuditor)), "ROLE_MISSING");
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kLine)), "ROLE_MISSING");
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_open_lot() = Opening("line");
  v1::ProposeResponse response;
  EXPECT_EQ(ReasonIn(Desk(kLine)->Propose(Context().get(), request, &response)), "ROLE_MISSING");
  // An operator of another factory does not even see it.
  EXPECT_EQ(ReasonIn(Approve(Approval(proposal), kSouthOperator)), "PROPOSAL_UNKNOWN");
  v1::ListProposalsResponse listed;
  ASSERT_TRUE(Desk(kSouthOperator)
                  ->ListProposals(Context().get(), v1::ListProposalsRequest(), &listed)
                  .ok());
  for (const v1::Proposal& seen : listed.proposals()) EXPECT_NE(seen.factory(), "north");
}

TEST_F(ApprovalTest, AListingsTokenIsOfThatListing) {
  const v1::Proposal older = Propose(Opening("paged-1")), newer = Propose(Opening("paged-2"));
  v1::ListProposalsRequest list;
  list.set_page_size(1);
  v1::ListProposalsResponse page;
  const auto asked = [&](const std::string& caller) {
    return ReasonIn(Desk(caller)->ListProposals(Context().get(), list, &page));
  };
  ASSERT_EQ(asked(kOperator), "");
  EXPECT_EQ(page.proposals(0).id(), newer.id());
  list.set_page_token(page.next_page_token());
  ASSERT_EQ(asked(kOperator), "");
  EXPECT_EQ(page.proposals(0).id(), older.id());
  EXPECT_EQ(asked(kAuditor), "PAGE_TOKEN_INVALID");
  list.set_all(true);
  EXPECT_EQ(asked(kOperator), "PAGE_TOKEN_INVALID");
  list.set_page_token("1");
  EXPECT_EQ(asked(kOperator), "PAGE_TOKEN_INVALID");
}

TEST_F(ApprovalTest, ADryRunChecksAndRecordsNothing) {
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_open_lot() = Opening("dry");
  request.set_dry_run(true);
  v1::ProposeResponse response;
  ASSERT_TRUE(Desk(kOperator)->Propose(Context().get(), request, &response).ok());
  EXPECT_TRUE(response.proposal().id().empty());
  EXPECT_THAT(response.proposal().effect(), HasSubstr("open lot dry for factory north: 7"));
  EXPECT_EQ(Ledger("kind = 'act.propose' AND body LIKE '%lot dry %'"), "");
  request.mutable_act()->mutable_open_lot()->set_product("nothing");
  EXPECT_EQ(ReasonIn(Desk(kOperator)->Propose(Context().get(), request, &response)),
            "PRODUCT_UNKNOWN");
  const v1::Proposal proposal = Propose(Opening("dry"));
  v1::ApproveProposalRequest approval = Approval(proposal);
  approval.set_dry_run(true);
  ASSERT_TRUE(Approve(approval, kBob).ok());
  EXPECT_EQ(Now(proposal.id()).state(), v1::PROPOSAL_STATE_OPEN);
  EXPECT_FALSE(Exists("dry"));
}

TEST_F(ApprovalTest, OfTwoApproversWhoRaceOneOpensTheLot) {
  for (int round = 0; round < 5; ++round) {
    const v1::Proposal proposal = Propose(Opening(absl::StrCat("race-", round)));
    std::atomic<int> done{0};
    std::vector<std::string> reasons(2);
    std::vector<std::thread> people;
    int person = 0;
    for (const char* uri : {kBob, kCid}) {
      people.emplace_back([&, uri, mine = person++, approval = Approval(proposal)] {
        const grpc::Status status = Approve(approval, uri);
        if (status.ok()) ++done;
        reasons[static_cast<size_t>(mine)] = ReasonIn(status);
      });
    }
    for (std::thread& thread : people) thread.join();
    EXPECT_EQ(done, 1);
    EXPECT_THAT(reasons, testing::UnorderedElementsAre("", "PROPOSAL_NOT_OPEN"));
  }
}

TEST_F(ApprovalTest, EveryGuardedActWaitsForASecondPerson) {
  const auto authority = v1::AuthorityService::NewStub(ChannelAs(kOperator));
  v1::Pai pai;
  v1::CreatePaiRequest create;
  create.set_request_id(office_.NextId());
  create.set_name("pai-guarded");
  create.set_vendor_id(0xFFF2);
  ASSERT_TRUE(authority->CreatePai(Context().get(), create, &pai).ok());
  v1::SignSandboxPaiRequest sign;
  sign.set_request_id(office_.NextId());
  sign.set_name("pai-guarded");
  ASSERT_TRUE(authority->SignSandboxPai(Context().get(), sign, &pai).ok());

  v1::ProposeRequest acts[4];
  acts[0].mutable_act()->mutable_activate_pai()->set_name("pai-guarded");
  acts[0].mutable_act()->mutable_activate_pai()->set_request_id(office_.NextId());
  acts[1].mutable_act()->mutable_raise_lot()->set_name("before");
  acts[1].mutable_act()->mutable_raise_lot()->set_count(99);
  acts[1].mutable_act()->mutable_raise_lot()->set_request_id(office_.NextId());
  acts[2].mutable_act()->mutable_revoke_pai()->set_name("pai-guarded");
  acts[2].mutable_act()->mutable_revoke_pai()->set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  acts[2].mutable_act()->mutable_revoke_pai()->set_request_id(office_.NextId());
  acts[3].mutable_act()->mutable_revoke_lot()->set_name("before");
  acts[3].mutable_act()->mutable_revoke_lot()->set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  acts[3].mutable_act()->mutable_revoke_lot()->set_request_id(office_.NextId());

  v1::RevokeResponse revoked;
  v1::Lot lot;
  EXPECT_EQ(ReasonIn(authority->ActivatePai(Context().get(), acts[0].act().activate_pai(), &pai)),
            "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ReasonIn(v1::CatalogService::NewStub(ChannelAs(kOperator))
                         ->RaiseLot(Context().get(), acts[1].act().raise_lot(), &lot)),
            "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ReasonIn(authority->RevokePai(Context().get(), acts[2].act().revoke_pai(), &revoked)),
            "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ReasonIn(authority->RevokeLot(Context().get(), acts[3].act().revoke_lot(), &revoked)),
            "SECOND_PERSON_REQUIRED");
  for (const v1::ProposeRequest& act : acts) {
    // The ordinary call has proposed it.
    v1::ProposeResponse proposed;
    grpc::Status status = Desk(kOperator)->Propose(Context().get(), act, &proposed);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(proposed.before());
    status = Approve(Approval(proposed.proposal()), kBob);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  v1::GetPaiRequest get;
  get.set_name("pai-guarded");
  ASSERT_TRUE(authority->GetPai(Context().get(), get, &pai).ok());
  EXPECT_EQ(pai.state(), v1::PAI_STATE_RETIRED);
  v1::GetLotRequest get_lot;
  get_lot.set_name("before");
  ASSERT_TRUE(v1::CatalogService::NewStub(ChannelAs(kOperator))
                  ->GetLot(Context().get(), get_lot, &lot)
                  .ok());
  EXPECT_EQ(lot.count(), 99u);
  EXPECT_EQ(lot.state(), v1::LOT_STATE_CLOSED);
}

TEST_F(ApprovalTest, TheCommandsProposeListShowApproveAndReject) {
  const auto profile = office_.folder() / "client.yaml";
  std::string identities;
  for (const auto& [name, uri] : {std::pair("operator", kOperator), std::pair("bob", kBob)}) {
    const auto identity = office_.pki().Client(uri);
    test_support::WritePrivateFile((office_.folder() / (std::string(name) + ".pem")).string(),
                                   identity.certificate);
    test_support::WritePrivateFile((office_.folder() / (std::string(name) + ".key")).string(),
                                   identity.key);
    identities +=
        absl::StrCat("  ", name, ": {certificate: ", name, ".pem, key: ", name, ".key}\n");
  }
  std::ofstream(profile) << "server: localhost:" << daemon_->port()
                         << "\nca: ca.pem\nfactory: north\nidentities:\n"
                         << identities;
  const auto run = [&](std::vector<std::string> arguments, std::string& out) {
    arguments.insert(arguments.begin(), {"--profile", profile.string()});
    const client::ParsedCommand parsed = client::ParseCommand(arguments);
    EXPECT_TRUE(parsed.action) << parsed.text;
    if (!parsed.action) return absl::InternalError(parsed.text);
    std::FILE* file = std::tmpfile();
    client::Context context(parsed.global, file, file);
    const absl::Status status = parsed.action(context);
    std::rewind(file);
    out.clear();
    char buffer[4096];
    while (const size_t size = std::fread(buffer, 1, sizeof buffer, file)) out.append(buffer, size);
    std::fclose(file);
    return status;
  };
  std::string out;
  const std::vector<std::string> open = {"proposal",  "propose",        "lot", "open", "typed",
                                         "--product", "product-before", "-n",  "3"};
  std::vector<std::string> dry = open;
  dry.push_back("--dry-run");
  ASSERT_TRUE(run(dry, out).ok()) << out;
  EXPECT_THAT(out, HasSubstr("would propose to open lot typed"));
  ASSERT_TRUE(run(open, out).ok()) << out;
  const size_t at = out.find("p-");
  ASSERT_NE(at, std::string::npos);
  const std::string id = out.substr(at, 14);
  EXPECT_THAT(out, HasSubstr("assay proposal approve " + id));
  ASSERT_TRUE(run({"proposal", "list"}, out).ok());
  EXPECT_THAT(out, HasSubstr(id));
  EXPECT_THAT(out, HasSubstr(" UTC"));
  ASSERT_TRUE(run({"--json", "proposal", "show", id}, out).ok());
  EXPECT_THAT(out, HasSubstr("\"open_lot\""));
  EXPECT_FALSE(run({"proposal", "approve", id, "--yes"}, out).ok()) << "by the proposer";
  EXPECT_FALSE(run({"--as", "bob", "proposal", "approve", id}, out).ok()) << "without --yes";
  ASSERT_TRUE(run({"--as", "bob", "proposal", "approve", id, "--dry-run"}, out).ok()) << out;
  EXPECT_THAT(out, HasSubstr("would open lot typed"));
  ASSERT_TRUE(run({"--as", "bob", "proposal", "approve", id, "--yes"}, out).ok()) << out;
  EXPECT_THAT(out, HasSubstr("done: open lot typed"));
  EXPECT_TRUE(Exists("typed"));
  ASSERT_TRUE(run({"proposal", "list", "--all"}, out).ok());
  EXPECT_THAT(out, HasSubstr("approved"));
  ASSERT_TRUE(run({"proposal", "propose", "authority", "revoke", "lot", "typed", "--reason",
                   "key-compromise"},
                  out)
                  .ok());
  const std::string other = out.substr(out.find("p-"), 14);
  ASSERT_TRUE(run({"--as", "bob", "proposal", "reject", other, "--reason", "no"}, out).ok());
  EXPECT_THAT(out, HasSubstr("rejected"));
}

}  // namespace
}  // namespace assay::integration
