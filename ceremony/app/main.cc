// assay-ceremony: keys made in a token from one reviewable file. `assay ceremony` starts it.
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "ceremony/app/commands.h"

int main(int argc, char** argv) {
  using namespace assay::ceremony;
  CLI::App app{
      "Keys made in an HSM from one reviewable file, with a transcript the new keys sign.\n"
      "docs/ceremony.md tells the whole story; deploy/examples/ceremony.yaml is a file to start "
      "from."};
  app.name("assay ceremony");
  app.set_version_flag("--version", std::string("assay-ceremony ") + ASSAY_VERSION);
  app.require_subcommand(1);
  int code = 0;

  RunArguments run;
  CLI::App* command = app.add_subcommand(
      "run", "make what the file asks for; a run that was killed is taken up by the next");
  command->add_option("file", run.file, "the ceremony's file (YAML)")->required();
  command->add_flag("--dry-run", run.dry_run, "say what would be made, and change nothing");
  CLI::Option* const yes = command->add_flag("--yes", run.yes, "do not ask at the terminal");
  command->add_option("--operator", run.operators, "with --yes: each operator of the file by name")
      ->needs(yes);
  command->add_flag("--json", run.json);
  command->footer(
      "Example:\n  assay ceremony run --dry-run pai-2026.yaml\n  assay ceremony run pai-2026.yaml");
  command->callback([&] { code = RunCommand(run); });

  VerifyArguments verify;
  command = app.add_subcommand("verify", "check a transcript; needs nothing else");
  command->add_option("transcript", verify.transcript)->required();
  command->add_option("--file", verify.files,
                      "a certificate or request whose key the transcript must tell of");
  command->add_flag("--json", verify.json);
  command->footer("Example:\n  assay ceremony verify pai-2026.json --file light.pem");
  command->callback([&] { code = VerifyCommand(verify); });

  ImportArguments import;
  command = app.add_subcommand("import", "sandboxes only: bring a key file into the token");
  command->add_option("--config", import.config, "assayd's configuration file")->required();
  command->add_option("--label", import.label, "of the key in the token")->required();
  command->add_option("--key", import.key_file, "PEM or DER, without a passphrase")->required();
  command->add_option("--certificate", import.certificate_file, "that must be for this key");
  command->add_flag("--json", import.json);
  command->footer("`assay authority pai import` does this, and makes the key a PAI.");
  command->callback([&] { code = ImportCommand(import); });

  assay::SetLogLevel(assay::LogLevel::kError);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}
