// assayd's subcommands. Each prints what it did or why not, and answers the exit code: 0 done, 1
// refused.
#pragma once

#include <string>

namespace assay::app {

// Until SIGTERM or SIGINT, then a clean end with 0; SIGHUP reloads. Call it before any thread is
// started.
int Serve(const std::string& config_path);
int CheckConfig(const std::string& config_path);
int Migrate(const std::string& config_path, bool dry_run);
// Makes the sandbox's keys in the token, and writes the certificate files the configuration names
// where missing.
int PrepareSandbox(const std::string& config_path);

}  // namespace assay::app
