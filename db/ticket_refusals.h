// What every store says alike where it refuses a ticket: field, value and rule.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "db/store.h"

namespace assay::db {

// The store knows a ticket's lot by its id: whoever asked adds the name.
absl::Status LotIsClosed();
absl::Status CountIsUsedUp();
absl::Status RestIsLeased();
absl::Status KeyIsReused();
absl::Status TicketIsOfAnotherLine(std::string_view ticket);
// CONFIRM_CONFLICT: `asked` cannot be, for the unit is `now`.
absl::Status OutcomeConflicts(DeviceState asked, DeviceState now);

}  // namespace assay::db
