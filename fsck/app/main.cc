// `assay-fsck`, which `assay fsck` runs: reads the command line; everything else is elsewhere.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "fsck/command.h"

namespace {

std::string DefaultConfig() {
  if (const char* named = std::getenv("ASSAY_CONFIG")) return named;
  for (const char* place : {"var/assayd.yaml", "/etc/assay/assayd.yaml"}) {
    if (std::filesystem::exists(place)) return place;
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  assay::fsck::Command command;
  command.config = DefaultConfig();
  CLI::App app{
      "Checks that token, database, ledger, manifest, lists and images agree. Changes "
      "nothing but with --reconcile --apply.\n\n"
      "Exit code: 0 clean, 1 findings, 2 the check could not be made.",
      "assay fsck"};
  app.add_option("--config", command.config,
                 "assayd's configuration: database and token (else $ASSAY_CONFIG, "
                 "./var/assayd.yaml, /etc/assay/assayd.yaml)");
  app.add_option("--dsn", command.dsn,
                 "the database, in place of the configuration's: a role that only reads suffices");
  app.add_option("--password-file", command.password_file, "file with that role's password");
  app.add_flag("--no-token", command.no_token, "leave out what only the token can tell");
  app.add_option("--ledger-key", command.ledger_key,
                 "the ledger's verifier key or its file; else the token's is taken");
  app.add_option("--image-certificate", command.image_certificates,
                 "a further certificate images may be signed by (again and again)");
  app.add_flag("--deep", command.check.deep,
               "open every sealed identity and compute every verifier again");
  app.add_option("--sample", command.check.sample, "sealed identities opened without --deep (200)");
  app.add_option("--threads", command.check.threads, "threads and database connections (cores)")
      ->check(CLI::Range(1, 64));
  app.add_flag("--json", command.json, "the report as one JSON object");
  app.add_flag("--quiet", command.quiet, "no bar and no remarks");

  const std::string group = "After a restore";
  app.add_flag("--reconcile", command.reconcile,
               "find what the database lost: needs --ledger; changes nothing without --apply")
      ->group(group);
  app.add_option("--ledger", command.recovery.ledger,
                 "a copy of the ledger (assay ledger export-tiles), newer than the database")
      ->group(group);
  app.add_option("--devices", command.recovery.folders,
                 "a line's folder with its devices' folders and receipts (again and again)")
      ->group(group);
  app.add_flag("--apply", command.recovery.apply, "enter what was found, in one transaction")
      ->group(group);
  app.add_flag("--accept-lost-tail", command.recovery.accept_lost_tail,
               "go on although receipts prove entries that no copy has")
      ->group(group);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return assay::fsck::RunCommand(command);
}
