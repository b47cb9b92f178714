#include "db/pg/approval_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/storable.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 2;
constexpr int kExpiredAtOnce = 100;

const std::string kSelect =
    "SELECT number, id, kind, subject, factory, request, digest, effect, proposer, request_id, "
    "proposed_at, expires_at, CASE WHEN state = 1 AND expires_at <= now() THEN 4 ELSE state "
    "END::bigint, decided_by, decision_request, decided_at, note FROM guarded_proposals ";

const Statement kFind = {"proposal_find", kSelect + "WHERE id = $1::text"};
const Statement kHold = {"proposal_hold", kSelect + "WHERE id = $1::text FOR UPDATE"};
const Statement kFindRequest = {"proposal_find_request",
                                kSelect + "WHERE proposer = $1::text AND request_id = $2::text"};
const Statement kFindOpen = {
    "proposal_find_open",
    kSelect + "WHERE kind = $1::text AND subject = $2::text AND digest = $3::bytea AND state = 1"};
const Statement kList = {
    "proposal_list",
    kSelect +
        "WHERE ($1::bigint = 0 OR number < $1::bigint) AND ($2::bigint = 0 OR (state = 1 AND "
        "expires_at > now())) ORDER BY number DESC LIMIT $3::bigint"};
const Statement kMake = {
    "proposal_make",
    "INSERT INTO guarded_proposals (id, kind, subject, factory, request, digest, effect, proposer, "
    "request_id, expires_at) VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea, "
    "$6::bytea, $7::text, $8::text, $9::text, now() + $10::bigint * interval '1 s') "
    "ON CONFLICT DO NOTHING RETURNING id"};
const Statement kDecide = {
    "proposal_decide",
    "UPDATE guarded_proposals SET state = $2::bigint, decided_by = $3::text, "
    "decision_request = $4::text, decided_at = now(), note = $5::text WHERE id = $1::text"};
// Until the transaction ends, nobody else decides by this decider's request id.
const Statement kHoldDecision = {
    "proposal_hold_decision",
    "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' ' || $2::text, 0))"};
const Statement kFindDecision = {"proposal_find_decision",
                                 "SELECT id FROM guarded_proposals WHERE decided_by = $1::text AND "
                                 "decision_request = $2::text AND id <> $3::text LIMIT 1"};
const Statement kExpire = {
    "proposal_expire",
    "UPDATE guarded_proposals SET state = 4, decided_at = expires_at WHERE id IN (SELECT id FROM "
    "guarded_proposals WHERE state = 1 AND expires_at <= now() ORDER BY number LIMIT $1::bigint "
    "FOR UPDATE SKIP LOCKED) RETURNING id, kind, subject, digest, effect, proposer"};
const Statement kNote = {"proposal_note",
                         "INSERT INTO ledger_entries (kind, body) VALUES ($1::text, $2::text)"};

db::Proposal ProposalAt(const Rows& rows, int i) {
  db::Proposal found;
  found.number = static_cast<uint64_t>(rows.Int(i, 0));
  found.id = rows.Text(i, 1);
  found.kind = rows.Text(i, 2);
  found.subject = rows.Text(i, 3);
  found.factory = rows.Text(i, 4);
  found.request = rows.Blob(i, 5);
  found.digest = rows.Digest(i, 6);
  found.effect = rows.Text(i, 7);
  found.proposer = rows.Text(i, 8);
  found.request_id = rows.Text(i, 9);
  found.proposed_at = rows.Time(i, 10);
  found.expires_at = rows.Time(i, 11);
  found.state = static_cast<db::ProposalState>(rows.Int(i, 12));
  found.decided_by = rows.Text(i, 13);
  found.decision_request = rows.Text(i, 14);
  if (!rows.IsNull(i, 15)) found.decided_at = rows.Time(i, 15);
  found.note = rows.Text(i, 16);
  return found;
}

absl::Status Unknown(const std::string& id) {
  return RefuseField(Reason::PROPOSAL_UNKNOWN, "id", id, "no such proposal");
}

void Note(Transaction& transaction, std::string_view kind, const db::Proposal& proposal,
          std::string_view by, std::string_view note) {
  transaction.Run(kNote, Params().Text(kind).Text(db::ProposalEntry(kind, proposal, by, note)));
}

absl::StatusOr<db::Proposal> Hold(Transaction& transaction, const std::string& id) {
  const Rows rows = transaction.Run(kHold, Params().Text(db::Storable(id) ? id : ""));
  if (rows.empty()) return Unknown(id);
  return ProposalAt(rows, 0);
}

// A request id decides one proposal, also where it decides two at the same moment: with the lock
// held, the look-up sees what was decided before.
absl::Status CheckDecidesNoOther(Transaction& transaction, const std::string& decider,
                                 const std::string& request_id, const std::string& id) {
  transaction.Run(kHoldDecision, Params().Text(decider).Text(request_id));
  const Rows rows =
      transaction.Run(kFindDecision, Params().Text(decider).Text(request_id).Text(id));
  if (rows.empty()) return absl::OkStatus();
  return RefuseField(Reason::REQUEST_CONFLICT, "request_id", request_id,
                     absl::StrCat("decided proposal ", rows.Text(0, 0)));
}

int Expire(Transaction& transaction) {
  const Rows rows = transaction.Run(kExpire, Params().Int(kExpiredAtOnce));
  for (int i = 0; i < rows.size(); ++i) {
    db::Proposal expired;
    expired.id = rows.Text(i, 0);
    expired.kind = rows.Text(i, 1);
    expired.subject = rows.Text(i, 2);
    expired.digest = rows.Digest(i, 3);
    expired.effect = rows.Text(i, 4);
    expired.proposer = rows.Text(i, 5);
    Note(transaction, db::kExpireEntry, expired, "", "");
  }
  return rows.size();
}

class PgApprovalStore final : public db::ApprovalStore {
 public:
  explicit PgApprovalStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<db::ProposeOutcome> Propose(const db::Proposal& made,
                                             std::chrono::seconds lifetime) override {
    db::ProposeOutcome outcome;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      // One whose time has come must not stand in the way of a new one for the same.
      if (Expire(transaction) > 0) transaction.Keep();
      const Rows rows = transaction.Run(kMake, Params()
                                                   .Text(made.id)
                                                   .Text(made.kind)
                                                   .Text(made.subject)
                                                   .Text(made.factory)
                                                   .Blob(made.request)
                                                   .Blob(made.digest)
                                                   .Text(made.effect)
                                                   .Text(made.proposer)
                                                   .Text(made.request_id)
                                                   .Int(lifetime.count()));
      outcome.before = rows.empty();
      if (outcome.before) return FindBefore(transaction, made, outcome.proposal);
      outcome.proposal = ProposalAt(transaction.Run(kFind, Params().Text(made.id)), 0);
      Note(transaction, db::kProposeEntry, outcome.proposal, made.proposer, "");
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return outcome;
  }

  absl::StatusOr<db::Proposal> FindProposal(const std::string& id) override {
    db::Proposal found;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows rows = session.Run(kFind, Params().Text(db::Storable(id) ? id : ""));
      if (rows.empty()) return Unknown(id);
      found = ProposalAt(rows, 0);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<std::vector<db::Proposal>> ListProposals(bool open_only, uint64_t before,
                                                          int limit) override {
    std::vector<db::Proposal> found;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      const Rows rows = session.Run(
          kList, Params().Int(static_cast<int64_t>(before)).Int(open_only ? 1 : 0).Int(limit));
      found.clear();
      for (int i = 0; i < rows.size(); ++i) found.push_back(ProposalAt(rows, i));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<db::Proposal> Reject(const std::string& id, const std::string& decider,
                                      const std::string& request_id,
                                      const std::string& note) override {
    db::Proposal rejected;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      auto found = Hold(transaction, id);
      if (!found.ok()) return found.status();
      rejected = *std::move(found);
      if (rejected.state == db::ProposalState::kRejected && rejected.decided_by == decider &&
          rejected.decision_request == request_id) {
        transaction.Discard();
        return absl::OkStatus();
      }
      if (rejected.state != db::ProposalState::kOpen) return db::NotOpen(rejected);
      ASSAY_RETURN_IF_ERROR(CheckDecidesNoOther(transaction, decider, request_id, id));
      transaction.Run(kDecide, Params()
                                   .Text(id)
                                   .Int(static_cast<int>(db::ProposalState::kRejected))
                                   .Text(decider)
                                   .Text(request_id)
                                   .Text(note));
      Note(transaction, db::kRejectEntry, rejected, decider, note);
      rejected = ProposalAt(transaction.Run(kFind, Params().Text(id)), 0);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return rejected;
  }

  absl::StatusOr<int> ExpireProposals() override {
    int expired = 0;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      expired = Expire(transaction);
      if (expired == 0) transaction.Discard();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return expired;
  }

 private:
  static absl::Status FindBefore(Transaction& transaction, const db::Proposal& made,
                                 db::Proposal& before) {
    transaction.Discard();
    Rows rows = transaction.Run(kFindRequest, Params().Text(made.proposer).Text(made.request_id));
    if (rows.empty()) {
      rows =
          transaction.Run(kFindOpen, Params().Text(made.kind).Text(made.subject).Blob(made.digest));
    }
    // Neither: the one in the way was decided a moment ago, or the id was drawn before.
    if (rows.empty()) return Refuse(Reason::STORE_UNAVAILABLE, "another proposal came between");
    before = ProposalAt(rows, 0);
    if (before.kind != made.kind || before.subject != made.subject ||
        before.digest != made.digest) {
      return RefuseField(Reason::REQUEST_CONFLICT, "request_id", made.request_id,
                         "was used with other content");
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

absl::Status CloseApproved(Transaction& transaction, const db::Act& act) {
  const db::Approval& approval = *act.approval;
  const auto found = Hold(transaction, approval.proposal);
  if (!found.ok()) return found.status();
  if (found->state == db::ProposalState::kApproved && found->decided_by == approval.approver &&
      found->decision_request == approval.request_id) {
    return absl::OkStatus();
  }
  if (found->state != db::ProposalState::kOpen) return db::NotOpen(*found);
  if (found->proposer == approval.approver) {
    return RefuseField(Reason::SAME_PERSON, "caller", approval.approver,
                       "another operator than the proposer approves");
  }
  if (found->kind != act.kind || found->subject != act.subject || found->digest != act.digest ||
      found->proposer != act.actor) {
    return RefuseField(Reason::REQUEST_CONFLICT, "id", approval.proposal,
                       "was proposed with other content");
  }
  ASSAY_RETURN_IF_ERROR(
      CheckDecidesNoOther(transaction, approval.approver, approval.request_id, found->id));
  transaction.Keep();
  transaction.Run(kDecide, Params()
                               .Text(found->id)
                               .Int(static_cast<int>(db::ProposalState::kApproved))
                               .Text(approval.approver)
                               .Text(approval.request_id)
                               .Text(""));
  Note(transaction, db::kApproveEntry, *found, approval.approver, "");
  return absl::OkStatus();
}

std::shared_ptr<db::ApprovalStore> OpenApprovalStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgApprovalStore>(std::move(options));
}

}  // namespace assay::pg
