// A lot as one signed archive: commands.h tells what a command is.
#pragma once

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

struct BundleCommandOptions {
  std::string lot;
  std::string file;
  std::string certificate;
};
absl::Status MakeBundle(Context& context, const BundleCommandOptions& options);
// BUNDLE_INVALID when anything is not as it was signed; each finding is printed first.
absl::Status VerifyBundleFile(Context& context, const BundleCommandOptions& options);

// Grow the tree under `lot`; `choose` keeps the action of the one typed.
void AddBundleCommands(CLI::App& lot,
                       const std::function<void(std::function<absl::Status(Context&)>)>& choose);

}  // namespace assay::client
