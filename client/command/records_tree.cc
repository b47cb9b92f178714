#include "client/command/records_tree.h"

#include <memory>
#include <utility>

#include "client/command/tree.h"

namespace assay::client {
namespace {

void AddFilter(CLI::App* app, AuditOptions& options) {
  app->add_option("--lot", options.lot, "units of this lot");
  app->add_option("--product", options.product, "of this product");
  app->add_option("--factory", options.factory, "of this factory");
  app->add_option("--line", options.line, "issued by this line");
  app->add_option("--serial-number", options.serial_number, "the device's");
  app->add_option("--serial-from", options.serial_from,
                  "devices' serial numbers from this one on, compared byte by byte");
  app->add_option("--serial-until", options.serial_until, "up to and with this one");
  app->add_option("--dac-serial", options.dac_serial, "serial number of the DAC, hex");
  app->add_option("--dac-skid", options.dac_skid, "subject key id of the DAC, 40 hex digits");
  app->add_option("--state", options.state, "sealed, provisioned, scrapped, revoked");
  app->add_option("--from", options.from, "sealed at or after, YYYY-MM-DD[ HH:MM:SS] UTC");
  app->add_option("--until", options.until, "sealed before");
}

void AddExport(CLI::App& audit, const ChooseAction& choose) {
  auto options = std::make_shared<AuditOptions>();
  CLI::App* app = AddLeaf(audit, choose, "export",
                          "the rows of a filter as a file, with a manifest the HSM signs",
                          &ExportRecords, options);
  AddFilter(app, *options);
  app->add_option("--format", options->format, "csv or jsonl")
      ->check(CLI::IsMember({"csv", "jsonl"}));
  app->add_option("--out", options->out, "file (default: standard output)");
  app->add_option("--manifest", options->manifest,
                  "file of the signed manifest (default: OUT.manifest)");
  app->add_flag("--codes", options->codes,
                "passcodes and codes too: needs the role codes, and the file is a secret");
  app->footer(
      "Example:\n  assay audit export --lot 2026-47 --out 2026-47.csv\n"
      "  assay audit verify-export 2026-47.csv --key ledger.vkey");

  options = std::make_shared<AuditOptions>();
  app = AddLeaf(audit, choose, "verify-export",
                "check an export against its manifest with the public key alone", &VerifyExport,
                options);
  app->add_option("file", options->file, "the export")->required();
  app->add_option("--manifest", options->manifest, "(default: FILE.manifest)");
  app->add_option("--key", options->key, "the ledger's verifier key, or its file")->required();
  app->add_option("--not-before", options->not_before,
                  "a checkpoint the export's must not be older than");
}

}  // namespace

void AddAuditCommands(CLI::App& root, const ChooseAction& choose) {
  CLI::App* const audit = root.add_subcommand("audit", "the records, reading only");
  audit->require_subcommand(1);
  audit->fallthrough();
  auto options = std::make_shared<AuditOptions>();
  CLI::App* app = AddLeaf(*audit, choose, "list", "devices", &ListDevices, options);
  AddFilter(app, *options);
  app->add_option("--limit", options->limit, "rows (default 100)")
      ->check(CLI::Range(1, 1'000'000'000));

  options = std::make_shared<AuditOptions>();
  app = AddLeaf(*audit, choose, "show", "one device, and who did what to it", &ShowDevice, options);
  CLI::Option* id = app->add_option("device", options->device_id, "device id");
  CLI::Option* serial =
      app->add_option("--dac-serial", options->dac_serial, "serial number of its DAC, hex")
          ->excludes(id);
  CLI::Option* skid =
      app->add_option("--dac-skid", options->dac_skid, "subject key id of its DAC, 40 hex digits")
          ->excludes(id)
          ->excludes(serial);
  app->add_option("--serial-number", options->serial_number, "its own serial number")
      ->excludes(id)
      ->excludes(serial)
      ->excludes(skid);
  app->add_option("--lot", options->lot, "with --serial-number, where several lots have it");

  AddExport(*audit, choose);

  options = std::make_shared<AuditOptions>();
  app = AddLeaf(*audit, choose, "watch", "what happens to the devices of a filter, as it happens",
                &WatchRecords, options);
  AddFilter(app, *options);
  app->add_option("-n,--events", options->events, "end after so many (default: never)");
  app->add_option("--pause-ms", options->pause_ms, "between two looks (default 1000)")
      ->check(CLI::Range(10, 60'000));
}

void AddLeaseCommands(CLI::App& lots, const ChooseAction& choose) {
  CLI::App* const group = lots.add_subcommand("lease", "parts of a lot's count kept for one line");
  group->fallthrough();
  auto options = std::make_shared<LeaseOptions>();
  // `assay lot lease L --line X --count N --for 8h`, and the words list and release below it.
  CLI::App* app = group;
  app->add_option("lot", options->lot, "the lot");
  app->add_option("--line", options->line, "the line the places are for");
  app->add_option("--count", options->count, "identities kept for it")
      ->check(CLI::Range(1LL, 4'294'967'295LL));
  app->add_option("--for", options->lasts, "how long: 30m, 8h, 2d");
  app->require_subcommand(0, 1);
  app->footer(
      "Examples:\n  assay lot lease 2026-47 --line north-1 --count 500 --for 8h\n"
      "  assay lot lease list 2026-47\n  assay lot lease release 2026-47 3");
  app->callback([app, choose, options] {
    if (!app->get_subcommands().empty()) return;
    if (options->lot.empty()) throw CLI::RequiredError("lot");
    if (options->line.empty()) throw CLI::RequiredError("--line");
    if (options->count == 0) throw CLI::RequiredError("--count");
    if (options->lasts.empty()) throw CLI::RequiredError("--for");
    choose([options](Context& context) { return GrantLease(context, *options); });
  });

  auto list = std::make_shared<LeaseOptions>();
  app = AddLeaf(*group, choose, "list", "leases of a lot", &ListLeases, list);
  app->add_option("lot", list->lot, "the lot")->required();
  app->add_flag("--all", list->all, "also those that have ended");
  auto release = std::make_shared<LeaseOptions>();
  app = AddLeaf(*group, choose, "release", "end a lease before its time", &ReleaseLease, release);
  app->add_option("lot", release->lot, "the lot")->required();
  app->add_option("id", release->id, "the lease's number")->required();

  auto reconcile = std::make_shared<ReconcileOptions>();
  app = AddLeaf(lots, choose, "reconcile", "what became of a lot's units, per line and shift",
                &ReconcileLot, reconcile);
  app->add_option("lot", reconcile->lot, "the lot")->required();
  app->add_option("--shifts", reconcile->shifts, "when shifts begin, as 06:00,14:00,22:00")
      ->delimiter(',');
  app->add_option("--utc-offset", reconcile->offset, "of the factory's clock, as +08:00");
  app->add_option("--csv", reconcile->csv, "write it to this file as CSV");
  app->footer(
      "Example:\n  assay lot reconcile 2026-47 --shifts 06:00,14:00,22:00 --utc-offset=+08:00 "
      "--csv 2026-47.csv");
}

}  // namespace assay::client
