// For who runs Assay: its state at a glance, and how big it must be.
#pragma once

#include "absl/status/status.h"
#include "client/command/context.h"
#include "client/command/revocation_commands.h"

namespace assay::client {

// What the server says of itself; for a caller that may not see the system, what it is and who the
// caller is.
absl::Status ShowSystem(Context& context, Connection& connection);

void AddSizeCommand(CLI::App& root, const Choose& choose);

}  // namespace assay::client
