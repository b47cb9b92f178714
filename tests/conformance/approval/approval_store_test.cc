// The store of proposals, together with the stores that do the acts.
#include "db/approval_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "db/pg/approval_store.h"
#include "db/pg/pg_store.h"
#include "db/pg/revocation_store.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/refused.h"
#include "tests/support/store_fixture.h"
#include "tests/support/store_samples.h"

namespace assay::test_support {
namespace {

constexpr char kAnn[] = "spiffe://assay.test/operator/ann";
constexpr char kBob[] = "spiffe://assay.test/operator/bob";
constexpr char kCid[] = "spiffe://assay.test/operator/cid";
constexpr std::chrono::hours kDay{24};

class ApprovalStoreTest : public testing::Test {
 protected:
  ApprovalStoreTest() {
    const pg::PgOptions options = NewMigratedDatabase();
    dsn_ = options.dsn;
    store_ = pg::OpenStore(options);
    approvals_ = pg::OpenApprovalStore(options);
    revocations_ = pg::OpenRevocationStore(options);
    OpenSampleLot(*store_, "L1", 10);
  }

  // A proposal of Ann's to raise the lot L1.
  db::Proposal Raise(const std::string& request_id, uint64_t count = 20) {
    db::Proposal made;
    made.id = "p-" + request_id;
    made.kind = "lot.raise";
    made.subject = "L1";
    made.factory = "north";
    made.request = {1, 2, 3};
    made.digest = Sha256(AsBytes("raise to " + std::to_string(count)));
    made.effect = "raise lot L1 to " + std::to_string(count);
    made.proposer = kAnn;
    made.request_id = request_id;
    return made;
  }
  db::Proposal Proposed(const std::string& request_id, uint64_t count = 20,
                        std::chrono::seconds lifetime = kDay) {
    const auto outcome = approvals_->Propose(Raise(request_id, count), lifetime);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->proposal : db::Proposal();
  }
  static db::Act ActOf(const db::Proposal& proposal, const std::string& approver,
                       const std::string& request_id) {
    db::Act act;
    act.request_id = "proposal/" + proposal.id;
    act.actor = proposal.proposer;
    act.kind = proposal.kind;
    act.subject = proposal.subject;
    act.digest = proposal.digest;
    act.detail = R"({"kind":"lot.raise"})";
    act.approval = db::Approval{proposal.id, approver, request_id};
    return act;
  }
  absl::Status Approve(const db::Proposal& proposal, const std::string& approver,
                       const std::string& request_id, uint64_t count = 20) {
    return store_->RaiseLot(ActOf(proposal, approver, request_id), "L1", count).status();
  }
  uint64_t Count() { return store_->FindLot("L1")->count; }
  int Entries(const std::string& kind) {
    const auto counted = PostgresCluster::Execute(
        dsn_, "SELECT count(*) FROM ledger_entries WHERE kind = '" + kind + "'");
    EXPECT_TRUE(counted.ok()) << counted.status();
    return counted.ok() ? std::stoi(*counted) : -1;
  }

  std::string dsn_;
  std::shared_ptr<db::Store> store_;
  std::shared_ptr<db::ApprovalStore> approvals_;
  std::shared_ptr<db::RevocationStore> revocations_;
};

TEST_F(ApprovalStoreTest, AProposalIsKeptAsItWasMadeAndOnce) {
  const db::Proposal made = Proposed("r1");
  EXPECT_EQ(made.state, db::ProposalState::kOpen);
  EXPECT_EQ(made.expires_at - made.proposed_at, absl::Hours(24));
  const auto again = approvals_->Propose(Raise("r1"), kDay);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->before);
  EXPECT_EQ(again->proposal.id, made.id);
  EXPECT_REFUSED(approvals_->Propose(Raise("r1", 30), kDay).status(), REQUEST_CONFLICT);
  const auto found = approvals_->FindProposal(made.id);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->request, (Bytes{1, 2, 3}));
  EXPECT_EQ(found->effect, "raise lot L1 to 20");
  EXPECT_EQ(found->factory, "north");
  EXPECT_REFUSED(approvals_->FindProposal("p-none").status(), PROPOSAL_UNKNOWN);
  EXPECT_EQ(Entries("act.propose"), 1);
}

TEST_F(ApprovalStoreTest, TheSameActIsProposedByOneAtATime) {
  const db::Proposal made = Proposed("r1");
  db::Proposal other = Raise("r2");
  other.proposer = kBob;
  const auto found = approvals_->Propose(other, kDay);
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->before);
  EXPECT_EQ(found->proposal.id, made.id);
  ASSERT_TRUE(approvals_->Reject(made.id, kBob, "x1", "").ok());
  const auto anew = approvals_->Propose(other, kDay);
  ASSERT_TRUE(anew.ok());
  EXPECT_FALSE(anew->before);
}

TEST_F(ApprovalStoreTest, ApprovingIsTheActAndHappensOnce) {
  const db::Proposal made = Proposed("r1");
  ASSERT_TRUE(Approve(made, kBob, "a1").ok());
  EXPECT_EQ(Count(), 20u);
  const auto done = approvals_->FindProposal(made.id);
  EXPECT_EQ(done->state, db::ProposalState::kApproved);
  EXPECT_EQ(done->decided_by, kBob);
  EXPECT_TRUE(done->decided_at.has_value());
  EXPECT_TRUE(Approve(made, kBob, "a1").ok()) << "the same approval again";
  EXPECT_REFUSED(Approve(made, kBob, "a2"), PROPOSAL_NOT_OPEN);
  EXPECT_REFUSED(Approve(made, kCid, "a1"), PROPOSAL_NOT_OPEN);
  EXPECT_EQ(Entries("act.approve"), 1);
  EXPECT_EQ(Entries("lot.raise"), 1);
}

TEST_F(ApprovalStoreTest, ARequestIdDecidesOneProposal) {
  const db::Proposal first = Proposed("r1");
  ASSERT_TRUE(Approve(first, kBob, "a1").ok());
  const auto second = approvals_->Propose(Raise("r2", 30), kDay);
  ASSERT_TRUE(second.ok());
  EXPECT_REFUSED(Approve(second->proposal, kBob, "a1"), REQUEST_CONFLICT);
  EXPECT_REFUSED(approvals_->Reject(second->proposal.id, kBob, "a1", "").status(),
                 REQUEST_CONFLICT);
  EXPECT_EQ(Count(), 20u);
  EXPECT_EQ(approvals_->FindProposal(second->proposal.id)->state, db::ProposalState::kOpen);
  EXPECT_TRUE(Approve(second->proposal, kCid, "a1").ok()) << "another's id is another";
}

TEST_F(ApprovalStoreTest, NeitherTheProposerNorAnotherContentIsApproved) {
  const db::Proposal made = Proposed("r1");
  EXPECT_REFUSED(Approve(made, kAnn, "a1"), SAME_PERSON);
  db::Proposal other = made;
  other.digest[0] ^= 1;
  EXPECT_REFUSED(Approve(other, kBob, "a1"), REQUEST_CONFLICT);
  other = made;
  other.subject = "L2";
  EXPECT_REFUSED(Approve(other, kBob, "a1"), REQUEST_CONFLICT);
  other = made;
  other.id = "p-none";
  EXPECT_REFUSED(Approve(other, kBob, "a1"), PROPOSAL_UNKNOWN);
  EXPECT_EQ(Count(), 10u);
  EXPECT_EQ(approvals_->FindProposal(made.id)->state, db::ProposalState::kOpen);
}

TEST_F(ApprovalStoreTest, AnActThatIsRefusedLeavesItsProposalOpen) {
  const db::Proposal made = Proposed("r1", 5);
  EXPECT_REFUSED(Approve(made, kBob, "a1", 5), FIELD_OUT_OF_RANGE);
  EXPECT_EQ(approvals_->FindProposal(made.id)->state, db::ProposalState::kOpen);
  EXPECT_EQ(Entries("act.approve"), 0);
}

TEST_F(ApprovalStoreTest, AnExpiredProposalIsNotApprovedAndMakesRoom) {
  const db::Proposal made = Proposed("r1", 20, std::chrono::seconds(0));
  EXPECT_EQ(approvals_->FindProposal(made.id)->state, db::ProposalState::kExpired);
  EXPECT_REFUSED(Approve(made, kBob, "a1"), PROPOSAL_NOT_OPEN);
  EXPECT_REFUSED(approvals_->Reject(made.id, kBob, "x1", "").status(), PROPOSAL_NOT_OPEN);
  const db::Proposal anew = Proposed("r2");
  EXPECT_EQ(anew.state, db::ProposalState::kOpen);
  EXPECT_EQ(Entries("act.expire"), 1);
  EXPECT_EQ(*approvals_->ExpireProposals(), 0);
  Proposed("r3", 30, std::chrono::seconds(0));
  EXPECT_EQ(*approvals_->ExpireProposals(), 1);
  EXPECT_EQ(Entries("act.expire"), 2);
}

TEST_F(ApprovalStoreTest, ARejectedProposalStaysRejected) {
  const db::Proposal made = Proposed("r1");
  const auto rejected = approvals_->Reject(made.id, kBob, "x1", "not this year");
  ASSERT_TRUE(rejected.ok()) << rejected.status();
  EXPECT_EQ(rejected->state, db::ProposalState::kRejected);
  EXPECT_EQ(rejected->note, "not this year");
  EXPECT_TRUE(approvals_->Reject(made.id, kBob, "x1", "not this year").ok());
  EXPECT_REFUSED(approvals_->Reject(made.id, kBob, "x2", "").status(), PROPOSAL_NOT_OPEN);
  EXPECT_REFUSED(Approve(made, kBob, "a1"), PROPOSAL_NOT_OPEN);
  EXPECT_REFUSED(approvals_->Reject("p-none", kBob, "x3", "").status(), PROPOSAL_UNKNOWN);
  EXPECT_EQ(Entries("act.reject"), 1);
  EXPECT_EQ(Count(), 10u);
}

TEST_F(ApprovalStoreTest, ListsTheNewestFirstAndInPages) {
  for (uint64_t i = 1; i <= 5; ++i) Proposed("r" + std::to_string(i), 10 + i);
  ASSERT_TRUE(approvals_->Reject("p-r3", kBob, "x1", "").ok());
  const auto first = approvals_->ListProposals(true, 0, 2);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ((*first)[0].id, "p-r5");
  const auto second = approvals_->ListProposals(true, first->back().number, 2);
  ASSERT_EQ(second->size(), 2u);
  EXPECT_EQ((*second)[0].id, "p-r2");
  EXPECT_EQ(approvals_->ListProposals(false, 0, 100)->size(), 5u);
}

TEST_F(ApprovalStoreTest, OfTwoApproversWhoRaceOneDoesIt) {
  for (int round = 0; round < 20; ++round) {
    const uint64_t count = 20 + static_cast<uint64_t>(round);
    const std::string id = "a" + std::to_string(round);
    const db::Proposal made = Proposed("r" + std::to_string(round), count);
    std::atomic<int> done{0}, refused{0};
    std::vector<std::thread> people;
    for (const char* person : {kBob, kCid}) {
      people.emplace_back([&, person] {
        const absl::Status status = Approve(made, person, id, count);
        if (status.ok()) ++done;
        if (HasReason(status, Reason::PROPOSAL_NOT_OPEN)) ++refused;
      });
    }
    for (std::thread& person : people) person.join();
    EXPECT_EQ(done, 1);
    EXPECT_EQ(refused, 1);
  }
  EXPECT_EQ(Entries("act.approve"), 20);
  EXPECT_EQ(Entries("lot.raise"), 20);
}

TEST_F(ApprovalStoreTest, OfTwoProposalsThatOneRequestIdDecidesAtOnceOneIsDecided) {
  for (int round = 0; round < 20; ++round) {
    const std::string id = "a" + std::to_string(round);
    std::atomic<int> done{0}, refused{0};
    std::vector<std::thread> calls;
    for (const char* which : {"x", "y"}) {
      const uint64_t count = 20 + static_cast<uint64_t>(2 * round + (*which == 'y' ? 1 : 0));
      const db::Proposal made = Proposed(which + id, count);
      calls.emplace_back([&, made] {
        const auto rejected = approvals_->Reject(made.id, kBob, id, "");
        if (rejected.ok()) ++done;
        if (HasReason(rejected.status(), Reason::REQUEST_CONFLICT)) ++refused;
      });
    }
    for (std::thread& call : calls) call.join();
    EXPECT_EQ(done, 1) << "round " << round;
    EXPECT_EQ(refused, 1) << "round " << round;
  }
}

TEST_F(ApprovalStoreTest, AnApprovalWhoseConnectionsAreKilledHappensOnceWhenAskedAgain) {
  for (int round = 0; round < 30; ++round) {
    const uint64_t count = 20 + static_cast<uint64_t>(round);
    const std::string id = "a" + std::to_string(round);
    const db::Proposal made = Proposed("r" + std::to_string(round), count);
    std::atomic<bool> over{false};
    std::thread killer([&] {
      while (!over) {
        static_cast<void>(PostgresCluster::Execute(
            dsn_,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"));
      }
    });
    for (int tries = 0; tries < 20; ++tries) {
      static_cast<void>(Approve(made, kBob, id, count));
    }
    over = true;
    killer.join();
    absl::Status status;
    for (int tries = 0; tries < 10; ++tries) {
      status = Approve(made, kBob, id, count);
      if (status.ok()) break;
    }
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(Count(), count);
    EXPECT_EQ(Entries("lot.raise"), round + 1);
    EXPECT_EQ(Entries("act.approve"), round + 1);
  }
}

TEST_F(ApprovalStoreTest, ARevocationClosesItsProposalToo) {
  db::Proposal made = Raise("r1");
  made.kind = "lot.revoke";
  ASSERT_TRUE(approvals_->Propose(made, kDay).ok());
  const auto outcome = revocations_->RevokeLot(ActOf(made, kBob, "a1"), "L1", 1);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->before);
  EXPECT_EQ(approvals_->FindProposal(made.id)->state, db::ProposalState::kApproved);
  // One for what is revoked already is closed all the same.
  db::Proposal again = made;
  again.id = "p-again";
  again.request_id = "r2";
  ASSERT_TRUE(approvals_->Propose(again, kDay).ok());
  EXPECT_TRUE(revocations_->RevokeLot(ActOf(again, kBob, "a2"), "L1", 1)->before);
  EXPECT_EQ(approvals_->FindProposal("p-again")->state, db::ProposalState::kApproved);
}

}  // namespace
}  // namespace assay::test_support
