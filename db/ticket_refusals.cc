#include "db/ticket_refusals.h"

#include "base/refusal.h"

namespace assay::db {
namespace {

absl::string_view RuleOf(DeviceState now) {
  switch (now) {
    case DeviceState::kProvisioned:
      return "the unit was confirmed as provisioned before";
    case DeviceState::kScrapped:
      return "the unit was scrapped before";
    default:
      return "the unit was revoked before anything was said of it";
  }
}

}  // namespace

absl::Status LotIsClosed() {
  return RefuseField(Reason::LOT_NOT_OPEN, "lot", "", "the lot is closed");
}

absl::Status CountIsUsedUp() {
  return RefuseField(Reason::QUOTA_EXCEEDED, "lot", "", "the lot's count is used up");
}

absl::Status RestIsLeased() {
  return RefuseField(Reason::QUOTA_EXCEEDED, "lot", "",
                     "what is left of the lot's count is leased to other lines");
}

absl::Status KeyIsReused() {
  return RefuseField(Reason::PUBLIC_KEY_REUSED, "public_key", "",
                     "a certificate for this key exists");
}

absl::Status TicketIsOfAnotherLine(std::string_view ticket) {
  return RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket", {ticket.data(), ticket.size()},
                     "was used by another line");
}

absl::Status OutcomeConflicts(DeviceState asked, DeviceState now) {
  return RefuseField(Reason::CONFIRM_CONFLICT, "outcome",
                     asked == DeviceState::kScrapped ? "SCRAPPED" : "PROVISIONED", RuleOf(now));
}

}  // namespace assay::db
