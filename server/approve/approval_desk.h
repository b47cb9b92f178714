// Proposals of guarded acts and what becomes of them: what ApprovalService does, free of gRPC.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/approval.pb.h"
#include "base/random.h"
#include "db/approval_store.h"
#include "server/access/caller.h"
#include "server/authority/authority.h"
#include "server/lot/catalog.h"
#include "server/revoke/revocation.h"

namespace assay::approve {

// The grants of `uri` as they are now; CALLER_UNKNOWN.
using FindCaller = std::function<absl::StatusOr<access::Caller>(const std::string& uri)>;

// Whom the acts are asked of; all must outlive the desk.
struct ActParts {
  lot::Catalog* catalog = nullptr;
  authority::Authority* authority = nullptr;
  revoke::Revocation* revocation = nullptr;
};

// Who may do an act may propose and approve it; the two are never the same person. An approval is
// the act: both, and the closing of the proposal, are one transaction of the store, so that an
// approval asked for again, raced for, or cut off has one effect or none. The proposer is the act's
// actor and is granted it still when it happens. Reading is the auditor's too. Thread-safe; calls
// block on the store and the token.
class ApprovalDesk {
 public:
  // `random` must outlive the object.
  ApprovalDesk(std::shared_ptr<db::ApprovalStore> store, ActParts parts, FindCaller find_caller,
               Random& random, std::chrono::seconds lifetime);

  // Refuses what the act itself would refuse now.
  absl::StatusOr<v1::ProposeResponse> Propose(const access::Caller& caller,
                                              const v1::ProposeRequest& request);
  // PROPOSAL_UNKNOWN, also for a lot that is not granted.
  absl::StatusOr<v1::Proposal> GetProposal(const access::Caller& caller,
                                           const v1::GetProposalRequest& request);
  absl::StatusOr<v1::ListProposalsResponse> ListProposals(const access::Caller& caller,
                                                          const v1::ListProposalsRequest& request);
  // PROPOSAL_NOT_OPEN; SAME_PERSON; REQUEST_CONFLICT when the digest is another's or when the act
  // would do something else by now than what was proposed; and what the act itself refuses, which
  // leaves the proposal open.
  absl::StatusOr<v1::ApproveProposalResponse> ApproveProposal(
      const access::Caller& caller, const v1::ApproveProposalRequest& request);
  absl::StatusOr<v1::Proposal> RejectProposal(const access::Caller& caller,
                                              const v1::RejectProposalRequest& request);

  // What housekeeping does every minute: marks what has expired.
  absl::Status Round();

 private:
  absl::StatusOr<db::Proposal> Find(const access::Caller& caller, const std::string& id);
  // Does the act up to `guard`, and beyond it where that lets it.
  absl::Status Perform(const access::Caller& caller, const v1::GuardedAct& act,
                       const lot::Guard& guard, v1::ApproveProposalResponse& response);
  // All checks of the act, nothing done; what it would do.
  absl::StatusOr<db::Proposal> Rehearse(const access::Caller& caller, const v1::GuardedAct& act);
  absl::StatusOr<v1::ApproveProposalResponse> Decided(const access::Caller& caller,
                                                      const v1::ApproveProposalRequest& request,
                                                      const db::Proposal& proposal) const;
  absl::Status CheckUnchanged(const db::Proposal& proposal, const db::Proposal& now) const;
  absl::Status DoApproved(const access::Caller& approver, const std::string& request_id,
                          const db::Proposal& proposal, const v1::GuardedAct& act,
                          v1::ApproveProposalResponse& response);

  const std::shared_ptr<db::ApprovalStore> store_;
  const ActParts parts_;
  const FindCaller find_caller_;
  Random& random_;
  const std::chrono::seconds lifetime_;
};

}  // namespace assay::approve
