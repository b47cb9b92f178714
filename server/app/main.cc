// assayd: reads the command line; everything else is elsewhere.
#include <CLI/CLI.hpp>
#include <iostream>

#include "server/app/commands.h"
#include "server/app/version.h"
#include "server/ops/config.h"
#include "server/ops/metrics_table.h"

int main(int argc, char** argv) {
  CLI::App app{"assayd issues Matter device identities with keys in an HSM"};
  app.set_version_flag("--version", std::string("assayd ") + assay::app::kVersion);
  app.fallthrough();
  std::string config;
  bool check = false, dry_run = false;
  app.add_option("--config", config, "the configuration file (YAML)");
  app.add_flag("--check-config", check,
               "check the configuration whole, say every problem, and end");
  CLI::App* migrate =
      app.add_subcommand("migrate", "bring the database schema to this program's version");
  migrate->add_flag("--dry-run", dry_run, "say what would be applied, change nothing");
  CLI::App* sandbox = app.add_subcommand(
      "sandbox", "make the sandbox's keys in the token and write their certificates");
  CLI::App* table =
      app.add_subcommand("metrics-table", "list every figure of /metrics, as Markdown");
  CLI::App* keys = app.add_subcommand("config-keys", "list every key of the configuration");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (table->parsed()) {
    std::cout << assay::ops::MetricsTable();
    return 0;
  }
  if (keys->parsed()) {
    for (const std::string& key : assay::ops::ConfigKeys()) std::cout << key << "\n";
    return 0;
  }
  if (config.empty()) {
    std::cerr << "--config is required\nRun with --help for more information.\n";
    return 2;
  }
  if (check) return assay::app::CheckConfig(config);
  if (migrate->parsed()) return assay::app::Migrate(config, dry_run);
  if (sandbox->parsed()) return assay::app::PrepareSandbox(config);
  return assay::app::Serve(config);
}
