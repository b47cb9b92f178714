// The store's part for guarded acts: proposals that wait for a second person. Approving is not
// here: an act that bears db::Act::approval closes its proposal in its own transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "db/store.h"

namespace assay::db {

enum class ProposalState { kOpen = 1, kApproved = 2, kRejected = 3, kExpired = 4 };

struct Proposal {
  uint64_t number = 0;  // grows; the page token's anchor
  std::string id;
  std::string kind, subject;
  std::string factory;  // of a lot
  Bytes request;        // serialized assay.v1.GuardedAct
  Sha256Digest digest{};
  std::string effect;  // what the act would do, for people
  std::string proposer;
  std::string request_id;  // the proposer's
  absl::Time proposed_at, expires_at;
  ProposalState state = ProposalState::kOpen;  // by the database's clock
  std::string decided_by;
  std::string decision_request;  // the decider's request id
  std::optional<absl::Time> decided_at;
  std::string note;
};

struct ProposeOutcome {
  Proposal proposal;
  bool before = false;
};

inline constexpr std::string_view kProposeEntry = "act.propose";
inline constexpr std::string_view kApproveEntry = "act.approve";
inline constexpr std::string_view kRejectEntry = "act.reject";
inline constexpr std::string_view kExpireEntry = "act.expire";

// Thread-safe. Refusals as in db::Store. Each change writes its ledger entry in its transaction.
class ApprovalStore {
 public:
  virtual ~ApprovalStore() = default;

  // Keeps `made` (number, times and state are the store's) until `lifetime` has passed. The same
  // (proposer, request id) again, or an open proposal for the same (kind, subject, digest), is the
  // answer instead, with `before`; the id used with other content is REQUEST_CONFLICT.
  virtual absl::StatusOr<ProposeOutcome> Propose(const Proposal& made,
                                                 std::chrono::seconds lifetime) = 0;
  // PROPOSAL_UNKNOWN.
  virtual absl::StatusOr<Proposal> FindProposal(const std::string& id) = 0;
  // The newest first, those numbered below `before` (0: all).
  virtual absl::StatusOr<std::vector<Proposal>> ListProposals(bool open_only, uint64_t before,
                                                              int limit) = 0;
  // PROPOSAL_UNKNOWN, PROPOSAL_NOT_OPEN. The same decider and request id again changes nothing;
  // REQUEST_CONFLICT where they decided another proposal.
  virtual absl::StatusOr<Proposal> Reject(const std::string& id, const std::string& decider,
                                          const std::string& request_id,
                                          const std::string& note) = 0;
  // Marks those whose time has come; how many.
  virtual absl::StatusOr<int> ExpireProposals() = 0;
};

// PROPOSAL_NOT_OPEN, telling what became of it.
absl::Status NotOpen(const Proposal& proposal);

// The ledger's entry of what befell a proposal; `by` is empty for an expiry.
std::string ProposalEntry(std::string_view kind, const Proposal& proposal, std::string_view by,
                          std::string_view note);

}  // namespace assay::db
