// The commands under `audit`, and those of `lot` about leases and accounts, in the tree.
#pragma once

#include "client/command/commands.h"
#include "client/command/tree.h"

namespace assay::client {

void AddAuditCommands(CLI::App& app, const ChooseAction& choose);
void AddLeaseCommands(CLI::App& lots, const ChooseAction& choose);

}  // namespace assay::client
