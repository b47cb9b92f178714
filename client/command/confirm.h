// Asking before what cannot be undone.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

// Whoever sits at a terminal types `name`; a program says --yes. FIELD_REQUIRED naming --yes where
// neither happens. `question` is a sentence, `act` a gerund: "revoking".
absl::Status ConfirmByName(Context& context, bool yes, const std::string& name,
                           const std::string& question, const std::string& act);

}  // namespace assay::client
