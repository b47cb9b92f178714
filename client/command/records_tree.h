// The commands under `audit`, and those of `lot` about leases and accounts, in the tree.
#pragma once

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/commands.h"

namespace assay::client {

// Told of the action of the command that was typed.
using ChooseAction = std::function<void(std::function<absl::Status(Context&)>)>;

void AddAuditCommands(CLI::App& app, const ChooseAction& choose);
void AddLeaseCommands(CLI::App& lots, const ChooseAction& choose);

}  // namespace assay::client
