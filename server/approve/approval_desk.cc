#include "server/approve/approval_desk.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/storable.h"
#include "server/approve/hold.h"
#include "server/lot/act.h"

namespace assay::approve {
namespace {

using access::Caller;
using access::Role;

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;
constexpr size_t kLongestNote = 500;

google::protobuf::Timestamp Stamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  return stamp;
}

v1::Proposal ToProto(const db::Proposal& proposal) {
  v1::Proposal out;
  out.set_id(proposal.id);
  out.set_kind(proposal.kind);
  out.set_subject(proposal.subject);
  // What cannot be read is shown without its request, and cannot be approved.
  static_cast<void>(out.mutable_act()->ParseFromArray(proposal.request.data(),
                                                      static_cast<int>(proposal.request.size())));
  out.set_digest(ToText(proposal.digest));
  out.set_effect(proposal.effect);
  out.set_factory(proposal.factory);
  out.set_proposer(proposal.proposer);
  if (!proposal.id.empty()) {
    *out.mutable_proposed_at() = Stamp(proposal.proposed_at);
    *out.mutable_expires_at() = Stamp(proposal.expires_at);
  }
  out.set_state(static_cast<v1::ProposalState>(proposal.state));
  out.set_decided_by(proposal.decided_by);
  if (proposal.decided_at) *out.mutable_decided_at() = Stamp(*proposal.decided_at);
  out.set_note(proposal.note);
  return out;
}

absl::Status MayRead(const Caller& caller) {
  if (caller.Has(Role::kAuditor)) return absl::OkStatus();
  return caller.CheckRole(Role::kOperator);
}

bool MaySee(const Caller& caller, const db::Proposal& proposal) {
  return proposal.factory.empty() || caller.CheckLot(proposal.factory, proposal.subject).ok();
}

// What a recorded act's own call says. Its caller and request id may be the proposer's: of the
// approval's request the proposal is at fault then.
absl::Status OfAct(const db::Proposal& proposal, const Caller& approver,
                   const std::string& request_id, const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  const auto is = [&](std::string_view field, const std::string& value) {
    return refusal && refusal->field == field && refusal->value == value;
  };
  const bool of_approval =
      is("id", proposal.id) || is("caller", approver.uri) || is("request_id", request_id);
  return of_approval ? status : Blame("id", proposal.id, status);
}

// The act as the ledger tells it, with both people.
void SignByBoth(const db::Proposal& proposal, const Caller& approver, db::Act& act) {
  auto detail = nlohmann::json::parse(act.detail, nullptr, false);
  if (!detail.is_object()) detail = nlohmann::json::object();
  detail["approved_by"] = approver.uri;
  detail["proposal"] = proposal.id;
  act.detail = detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// What an act's own call says of its request, as a path in the proposal's.
absl::Status InProposal(const v1::GuardedAct& act, const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  const auto* which = v1::GuardedAct::descriptor()->FindFieldByNumber(act.act_case());
  if (!refusal || refusal->field.empty() || refusal->field == "caller" || refusal->field == "act" ||
      which == nullptr) {
    return status;
  }
  return Within(absl::StrCat("act.", which->name()), status);
}

absl::Status Rehearsed() { return absl::CancelledError("rehearsed"); }

}  // namespace

ApprovalDesk::ApprovalDesk(std::shared_ptr<db::ApprovalStore> store, ActParts parts,
                           FindCaller find_caller, Random& random, std::chrono::seconds lifetime)
    : store_(std::move(store)),
      parts_(parts),
      find_caller_(std::move(find_caller)),
      random_(random),
      lifetime_(lifetime) {}

absl::Status ApprovalDesk::Perform(const Caller& caller, const v1::GuardedAct& act,
                                   const lot::Guard& guard, v1::ApproveProposalResponse& response) {
  const auto keep = [](auto result, auto* out) {
    if (result.ok()) *out = *std::move(result);
    return result.status();
  };
  switch (act.act_case()) {
    case v1::GuardedAct::kOpenLot:
      return keep(parts_.catalog->OpenLot(caller, act.open_lot(), &guard), response.mutable_lot());
    case v1::GuardedAct::kRaiseLot:
      return keep(parts_.catalog->RaiseLot(caller, act.raise_lot(), &guard),
                  response.mutable_lot());
    case v1::GuardedAct::kActivatePai:
      return keep(parts_.authority->ActivatePai(caller, act.activate_pai(), &guard),
                  response.mutable_pai());
    case v1::GuardedAct::kRevokeLot:
      return keep(parts_.revocation->RevokeLot(caller, act.revoke_lot(), &guard),
                  response.mutable_revocation());
    case v1::GuardedAct::kRevokePai:
      return keep(parts_.revocation->RevokePai(caller, act.revoke_pai(), &guard),
                  response.mutable_revocation());
    case v1::GuardedAct::ACT_NOT_SET:
      break;
  }
  return RefuseField(Reason::FIELD_REQUIRED, "act", "", "one of the guarded acts");
}

absl::StatusOr<db::Proposal> ApprovalDesk::Rehearse(const Caller& caller,
                                                    const v1::GuardedAct& act) {
  std::optional<db::Proposal> draft;
  const lot::Guard guard = [&](const Caller&, const google::protobuf::Message& request,
                               const lot::GuardedEffect& effect, db::Act& made) {
    draft = Draft(request, effect, made, random_);
    return Rehearsed();
  };
  v1::ApproveProposalResponse ignored;
  const absl::Status status = Perform(caller, act, guard, ignored);
  if (draft) return *draft;
  if (!status.ok()) return status;
  return RefuseField(Reason::REQUEST_CONFLICT, "act", "",
                     "nothing is left to do: it is so already");
}

absl::StatusOr<v1::ProposeResponse> ApprovalDesk::Propose(const Caller& caller,
                                                          const v1::ProposeRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  auto draft = Rehearse(caller, request.act());
  if (!draft.ok()) return InProposal(request.act(), draft.status());
  v1::ProposeResponse response;
  if (request.dry_run()) {
    draft->id.clear();
    *response.mutable_proposal() = ToProto(*draft);
    return response;
  }
  const auto outcome = store_->Propose(*draft, lifetime_);
  if (!outcome.ok()) return InProposal(request.act(), outcome.status());
  *response.mutable_proposal() = ToProto(outcome->proposal);
  response.set_before(outcome->before);
  return response;
}

absl::StatusOr<db::Proposal> ApprovalDesk::Find(const Caller& caller, const std::string& id) {
  if (id.empty()) return RefuseField(Reason::FIELD_REQUIRED, "id", "", "which proposal");
  auto found = store_->FindProposal(id);
  if (!found.ok()) return found.status();
  if (!MaySee(caller, *found)) {
    return RefuseField(Reason::PROPOSAL_UNKNOWN, "id", id, "no such proposal");
  }
  return found;
}

absl::StatusOr<v1::Proposal> ApprovalDesk::GetProposal(const Caller& caller,
                                                       const v1::GetProposalRequest& request) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  const auto found = Find(caller, request.id());
  if (!found.ok()) return found.status();
  return ToProto(*found);
}

absl::StatusOr<v1::ListProposalsResponse> ApprovalDesk::ListProposals(
    const Caller& caller, const v1::ListProposalsRequest& request) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  uint64_t before = 0;
  const std::string& token = request.page_token();
  const auto parsed = std::from_chars(token.data(), token.data() + token.size(), before);
  if (!token.empty() && (parsed.ec != std::errc() || parsed.ptr != token.data() + token.size() ||
                         before == 0 || before > (uint64_t{1} << 62))) {
    return RefuseField(Reason::PAGE_TOKEN_INVALID, "page_token", "", "is of no listing");
  }
  const uint32_t size =
      request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  v1::ListProposalsResponse response;
  while (true) {
    const auto found = store_->ListProposals(!request.all(), before, static_cast<int>(size));
    if (!found.ok()) return found.status();
    for (const db::Proposal& proposal : *found) {
      before = proposal.number;
      if (!MaySee(caller, proposal)) continue;
      *response.add_proposals() = ToProto(proposal);
      if (response.proposals_size() == static_cast<int>(size)) {
        response.set_next_page_token(absl::StrCat(proposal.number));
        return response;
      }
    }
    if (found->size() < size) return response;
  }
}

absl::Status ApprovalDesk::CheckUnchanged(const db::Proposal& proposal,
                                          const db::Proposal& now) const {
  if (now.digest != proposal.digest || now.kind != proposal.kind ||
      now.subject != proposal.subject) {
    return RefuseField(Reason::REQUEST_CONFLICT, "id", proposal.id,
                       "the recorded request is not the one that was proposed");
  }
  if (now.effect != proposal.effect) {
    return RefuseField(Reason::REQUEST_CONFLICT, "id", proposal.id,
                       absl::StrCat("would by now do something else than was proposed; reject it "
                                    "and propose anew. Proposed: ",
                                    proposal.effect, ". Now: ", now.effect));
  }
  return absl::OkStatus();
}

absl::Status ApprovalDesk::DoApproved(const Caller& approver, const std::string& request_id,
                                      const db::Proposal& proposal, const v1::GuardedAct& act,
                                      v1::ApproveProposalResponse& response) {
  const auto proposer = find_caller_(proposal.proposer);
  if (!proposer.ok()) {
    return OfAct(proposal, approver, request_id, Within("proposer", proposer.status()));
  }
  bool asked = false;
  const lot::Guard guard = [&](const Caller&, const google::protobuf::Message& request,
                               const lot::GuardedEffect& effect, db::Act& made) -> absl::Status {
    asked = true;
    ASSAY_RETURN_IF_ERROR(CheckUnchanged(proposal, Draft(request, effect, made, random_)));
    // An id no client can take before: the proposal's own, so that it is done once for ever.
    made.request_id = absl::StrCat("proposal/", proposal.id);
    made.approval = db::Approval{proposal.id, approver.uri, request_id};
    SignByBoth(proposal, approver, made);
    return absl::OkStatus();
  };
  const absl::Status performed = Perform(*proposer, act, guard, response);
  if (!performed.ok()) return OfAct(proposal, approver, request_id, performed);
  if (!asked) {
    return RefuseField(Reason::REQUEST_CONFLICT, "id", proposal.id,
                       "nothing is left to do: it is so already");
  }
  return absl::OkStatus();
}

// The same approval again is answered, every other refused.
absl::StatusOr<v1::ApproveProposalResponse> ApprovalDesk::Decided(
    const Caller& caller, const v1::ApproveProposalRequest& request,
    const db::Proposal& proposal) const {
  if (proposal.state != db::ProposalState::kApproved || proposal.decided_by != caller.uri ||
      proposal.decision_request != request.request_id()) {
    return db::NotOpen(proposal);
  }
  v1::ApproveProposalResponse response;
  *response.mutable_proposal() = ToProto(proposal);
  return response;
}

absl::StatusOr<v1::ApproveProposalResponse> ApprovalDesk::ApproveProposal(
    const Caller& caller, const v1::ApproveProposalRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::CheckRequestId(request.request_id()));
  const auto proposal = Find(caller, request.id());
  if (!proposal.ok()) return proposal.status();
  if (request.digest().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "digest", "",
                       "that of the proposal as it was shown");
  }
  if (AsBytes(request.digest()).size() != proposal->digest.size() ||
      !std::ranges::equal(AsBytes(request.digest()), proposal->digest)) {
    return RefuseField(Reason::REQUEST_CONFLICT, "digest", ToHex(AsBytes(request.digest())),
                       "must be the digest of the proposal as it was shown");
  }
  if (proposal->state != db::ProposalState::kOpen) return Decided(caller, request, *proposal);
  if (proposal->proposer == caller.uri) {
    return RefuseField(Reason::SAME_PERSON, "caller", caller.uri,
                       "another operator than the proposer approves");
  }
  v1::GuardedAct act;
  if (!act.ParseFromArray(proposal->request.data(), static_cast<int>(proposal->request.size()))) {
    return Refuse(Reason::INTERNAL, "the recorded request cannot be read");
  }
  v1::ApproveProposalResponse response;
  // An approver is one who may do the act.
  const auto now = Rehearse(caller, act);
  absl::Status status = now.ok() ? CheckUnchanged(*proposal, *now)
                                 : OfAct(*proposal, caller, request.request_id(), now.status());
  if (status.ok() && !request.dry_run()) {
    status = DoApproved(caller, request.request_id(), *proposal, act, response);
  }
  const auto after = store_->FindProposal(proposal->id);
  if (!status.ok()) {
    // Decided meanwhile, perhaps by this very approval asked twice: that is the answer.
    if (!after.ok() || after->state == db::ProposalState::kOpen) return status;
    return Decided(caller, request, *after);
  }
  *response.mutable_proposal() = ToProto(after.ok() ? *after : *proposal);
  return response;
}

absl::StatusOr<v1::Proposal> ApprovalDesk::RejectProposal(
    const Caller& caller, const v1::RejectProposalRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::CheckRequestId(request.request_id()));
  if (request.note().size() > kLongestNote) {
    return RefuseField(Reason::FIELD_TOO_LONG, "note", request.note(), "must be at most 500 bytes");
  }
  if (!db::Storable(request.note())) {
    return RefuseField(Reason::FIELD_MALFORMED, "note", "", "must be UTF-8 without a zero byte");
  }
  ASSAY_RETURN_IF_ERROR(Find(caller, request.id()).status());
  const auto rejected =
      store_->Reject(request.id(), caller.uri, request.request_id(), request.note());
  if (!rejected.ok()) return rejected.status();
  return ToProto(*rejected);
}

absl::Status ApprovalDesk::Round() { return store_->ExpireProposals().status(); }

}  // namespace assay::approve
