// Label sheets: commands.h tells what a command is.
#pragma once

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

// Grows the tree; `choose` keeps the action where `labels` was typed.
void AddLabelCommand(CLI::App& root,
                     const std::function<void(std::function<absl::Status(Context&)>)>& choose);

}  // namespace assay::client
