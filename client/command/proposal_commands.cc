#include "client/command/proposal_commands.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "assay/v1/approval.grpc.pb.h"
#include "base/bytes.h"
#include "base/refusal.h"
#include "client/command/guarded_requests.h"
#include "client/show.h"

namespace assay::client {
namespace {

using Approval = v1::ApprovalService::Stub;

template <typename Request, typename Response>
absl::StatusOr<Response> Call(Context& context,
                              grpc::Status (Approval::*method)(grpc::ClientContext*, const Request&,
                                                               Response*),
                              const Request& request) {
  const auto connection = context.Connect("operator");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::ApprovalService::NewStub((*connection)->channel());
  return (*connection)->Call(*stub, method, request);
}

std::string When(const google::protobuf::Timestamp& stamp) {
  if (stamp.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::FromUnixSeconds(stamp.seconds()),
                          absl::UTCTimeZone());
}

std::string StateWord(const v1::Proposal& proposal) {
  return EnumWord(*v1::ProposalState_descriptor()->FindValueByNumber(proposal.state()));
}

// "key    value" lines; empty values are left out.
std::string Lines(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string text;
  for (const auto& [key, value] : pairs) {
    if (value.empty()) continue;
    text += key + std::string(key.size() < 10 ? 10 - key.size() : 1, ' ') + value + "\n";
  }
  return text;
}

std::string Describe(const v1::Proposal& proposal) {
  return Lines({{"proposal", proposal.id()},
                {"act", absl::StrCat(proposal.kind(), " ", proposal.subject())},
                {"effect", proposal.effect()},
                {"proposer", proposal.proposer()},
                {"proposed", When(proposal.proposed_at())},
                {"expires", When(proposal.expires_at())},
                {"state", StateWord(proposal)},
                {"decider", proposal.decided_by()},
                {"decided", When(proposal.decided_at())},
                {"note", proposal.note()},
                {"digest", ToHex(AsBytes(proposal.digest()))}});
}

absl::Status Propose(Context& context, v1::ProposeRequest request, bool dry_run) {
  request.set_dry_run(dry_run);
  const auto response = Call(context, &Approval::Propose, request);
  if (!response.ok()) return response.status();
  const v1::Proposal& proposal = response->proposal();
  if (context.json()) {
    context.PrintMessage(*response);
  } else if (dry_run) {
    context.Print(absl::StrCat("would propose to ", proposal.effect(), "\n"));
  } else {
    context.Print(Describe(proposal));
  }
  if (dry_run) {
    context.Remark("all checks passed; nothing was recorded");
  } else if (proposal.state() == v1::PROPOSAL_STATE_OPEN) {
    context.Remark(absl::StrCat(response->before() ? "was proposed before; " : "",
                                "another operator lets it happen: assay proposal approve ",
                                proposal.id()));
  }
  return absl::OkStatus();
}

// Shows what will happen and asks whoever sits there; a program says --yes.
absl::Status Confirmed(const ProposalOptions& options, const v1::Proposal& proposal) {
  if (options.yes) return absl::OkStatus();
  const absl::Status refusal =
      RefuseField(Reason::FIELD_REQUIRED, "--yes", "", "the approval was not confirmed");
  if (isatty(STDIN_FILENO) == 0) return refusal;
  std::fputs(Describe(proposal).c_str(), stderr);
  std::fprintf(stderr, "Approving does this now. Type the proposal's id to go on: ");
  std::fflush(stderr);
  char typed[256] = {};
  if (std::fgets(typed, sizeof typed, stdin) == nullptr) return refusal;
  return absl::StripAsciiWhitespace(typed) == proposal.id() ? absl::OkStatus() : refusal;
}

absl::StatusOr<v1::Proposal> Find(Context& context, const std::string& id) {
  v1::GetProposalRequest request;
  request.set_id(id);
  return Call(context, &Approval::GetProposal, request);
}

}  // namespace

absl::Status ProposeOpenLot(Context& context, const ProposeLotOptions& options) {
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_open_lot() = OpenLotRequestOf(context, options);
  return Propose(context, std::move(request), options.dry_run);
}

absl::Status ProposeRaiseLot(Context& context, const ProposeLotOptions& options) {
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_raise_lot() = RaiseLotRequestOf(options);
  return Propose(context, std::move(request), options.dry_run);
}

absl::Status ProposeActivatePai(Context& context, const ProposePaiOptions& options) {
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_activate_pai() = ActivatePaiRequestOf(options);
  return Propose(context, std::move(request), options.dry_run);
}

absl::Status ProposeRevokeLot(Context& context, const ProposeRevokeOptions& options) {
  auto act = RevokeLotRequestOf(options);
  if (!act.ok()) return act.status();
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_revoke_lot() = *std::move(act);
  return Propose(context, std::move(request), options.dry_run);
}

absl::Status ProposeRevokePai(Context& context, const ProposeRevokeOptions& options) {
  auto act = RevokePaiRequestOf(options);
  if (!act.ok()) return act.status();
  v1::ProposeRequest request;
  *request.mutable_act()->mutable_revoke_pai() = *std::move(act);
  return Propose(context, std::move(request), options.dry_run);
}

absl::Status ListProposals(Context& context, const ProposalOptions& options) {
  v1::ListProposalsResponse all;
  v1::ListProposalsRequest request;
  request.set_all(options.all);
  do {
    const uint64_t left = options.limit - static_cast<uint64_t>(all.proposals_size());
    request.set_page_size(static_cast<uint32_t>(std::min<uint64_t>(left, 1000)));
    const auto page = Call(context, &Approval::ListProposals, request);
    if (!page.ok()) return page.status();
    all.mutable_proposals()->MergeFrom(page->proposals());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() &&
           static_cast<uint64_t>(all.proposals_size()) < options.limit);
  if (context.json()) {
    context.PrintMessage(all);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Proposal& proposal : all.proposals()) {
    rows.push_back({proposal.id(), proposal.kind(), proposal.subject(), proposal.proposer(),
                    When(proposal.proposed_at()), When(proposal.expires_at()), StateWord(proposal),
                    proposal.decided_by()});
  }
  context.Print(RenderTable(
      {"proposal", "act", "subject", "proposer", "proposed", "expires", "state", "decided by"},
      rows));
  return absl::OkStatus();
}

absl::Status ShowProposal(Context& context, const ProposalOptions& options) {
  const auto proposal = Find(context, options.id);
  if (!proposal.ok()) return proposal.status();
  if (context.json()) {
    context.PrintMessage(*proposal);
  } else {
    context.Print(absl::StrCat(Describe(*proposal), "request:\n", MessageText(proposal->act())));
  }
  return absl::OkStatus();
}

absl::Status ApproveProposal(Context& context, const ProposalOptions& options) {
  const auto proposal = Find(context, options.id);
  if (!proposal.ok()) return proposal.status();
  v1::ApproveProposalRequest request;
  request.set_request_id(NewRequestId());
  request.set_id(proposal->id());
  request.set_digest(proposal->digest());
  request.set_dry_run(true);
  auto response = Call(context, &Approval::ApproveProposal, request);
  if (!response.ok()) return response.status();
  if (!options.dry_run) {
    ASSAY_RETURN_IF_ERROR(Confirmed(options, *proposal));
    request.set_dry_run(false);
    response = Call(context, &Approval::ApproveProposal, request);
    if (!response.ok()) return response.status();
  }
  if (context.json()) {
    context.PrintMessage(*response);
    return absl::OkStatus();
  }
  if (options.dry_run) {
    context.Print(absl::StrCat("would ", proposal->effect(), "\n"));
    context.Remark("all checks passed; nothing was done");
    return absl::OkStatus();
  }
  context.Print(absl::StrCat("done: ", proposal->effect(), "\n"));
  if (response->has_revocation() && !response->revocation().waiting_for().empty()) {
    context.Remark(response->revocation().waiting_for());
  }
  return absl::OkStatus();
}

absl::Status RejectProposal(Context& context, const ProposalOptions& options) {
  v1::RejectProposalRequest request;
  request.set_request_id(NewRequestId());
  request.set_id(options.id);
  request.set_note(options.note);
  const auto proposal = Call(context, &Approval::RejectProposal, request);
  if (!proposal.ok()) return proposal.status();
  if (context.json()) {
    context.PrintMessage(*proposal);
  } else {
    context.Print(Describe(*proposal));
  }
  return absl::OkStatus();
}

}  // namespace assay::client
