#include "db/approval_store.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::db {

std::string ProposalEntry(std::string_view kind, const Proposal& proposal, std::string_view by,
                          std::string_view note) {
  nlohmann::json entry = {{"act", proposal.kind},
                          {"effect", proposal.effect},
                          {"kind", kind},
                          {"proposal", proposal.id},
                          {"proposer", proposal.proposer},
                          {"request_sha256", ToHex(proposal.digest)},
                          {"subject", proposal.subject}};
  if (!by.empty()) entry["actor"] = by;
  if (!note.empty()) entry["note"] = note;
  return entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status NotOpen(const Proposal& found) {
  switch (found.state) {
    case ProposalState::kApproved:
      return RefuseField(Reason::PROPOSAL_NOT_OPEN, "id", found.id,
                         absl::StrCat("was approved by ", found.decided_by, " and done"));
    case ProposalState::kRejected:
      return RefuseField(Reason::PROPOSAL_NOT_OPEN, "id", found.id,
                         absl::StrCat("was rejected by ", found.decided_by));
    default:
      return RefuseField(
          Reason::PROPOSAL_NOT_OPEN, "id", found.id,
          absl::StrCat("expired at ", absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", found.expires_at,
                                                       absl::UTCTimeZone())));
  }
}

}  // namespace assay::db
