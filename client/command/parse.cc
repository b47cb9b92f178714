#include "client/command/parse.h"

#include <algorithm>
#include <map>
#include <memory>

#include "CLI/CLI.hpp"
#include "base/refusal.h"
#include "client/command/bundle_commands.h"
#include "client/command/code_commands.h"
#include "client/command/label_command.h"
#include "client/command/ledger_commands.h"
#include "client/command/proposal_commands.h"
#include "client/command/records_tree.h"
#include "client/command/revocation_commands.h"
#include "client/command/sibling.h"
#include "client/command/system_commands.h"
#include "client/command/tree.h"
#include "client/command/unknown_word.h"
#include "client/command/witness_commands.h"
#include "client/numbers.h"

namespace assay::client {
namespace {

using Action = std::function<absl::Status(Context&)>;

// Builds the tree of commands; each leaf, when it is the one typed, leaves its action.
class Tree {
 public:
  Tree() : app_("Assay issues Matter device identities with keys that stay in an HSM.", "assay") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("assay ") + ASSAY_VERSION);
    app_.fallthrough();  // global options are also taken after the command
    app_.add_option("--profile", global_.profile,
                    "client profile (else $ASSAY_PROFILE, ./var/client.yaml, "
                    "~/.config/assay/client.yaml)");
    app_.add_option("--as", global_.role,
                    "identity of the profile to call as: line, operator, auditor");
    app_.add_flag("--json", global_.json, "results as JSON");
    app_.add_flag("--quiet", global_.quiet, "no progress and remarks");
    app_.add_option("--patience", global_.patience_seconds,
                    "seconds to retry an unreachable server (default 20; issue: 60)");
    AddIssuing();
    AddMfgToolCommand(app_, choose_);
    AddCatalog();
    AddAuthorityCommands(app_, choose_);
    AddProposalCommands(app_, choose_);
    AddAuditCommands(app_, choose_);
    AddReceipts();
    AddLedger();
    AddWitnesses();
    AddFiles();
    AddSizeCommand(app_, choose_);
    AddVerifyCommands(app_, choose_);
    AddSiblings();
  }

  ParsedCommand Parse(std::vector<std::string> arguments) {
    ParsedCommand parsed;
    const std::vector<std::string> typed = arguments;
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
      app_.parse(arguments);
    } catch (const CLI::Success& e) {
      std::ostringstream text;
      app_.exit(e, text, text);
      // The help of what is not there is not its group's.
      const std::string unknown = UnknownCommand(app_, typed);
      parsed.text = unknown.empty() ? text.str() : unknown;
      parsed.usage_error = !unknown.empty();
      return parsed;
    } catch (const CLI::ParseError& e) {
      std::ostringstream text;
      app_.exit(e, text, text);
      const std::string unknown = UnknownCommand(app_, typed);
      parsed.text = unknown.empty() ? text.str() : unknown;
      parsed.usage_error = true;
      return parsed;
    }
    parsed.global = global_;
    parsed.action = action_;
    return parsed;
  }

 private:
  template <typename Options>
  CLI::App* Leaf(CLI::App& parent, const std::string& name, const std::string& help,
                 absl::Status (*run)(Context&, const Options&),
                 const std::shared_ptr<Options>& options) {
    return AddLeaf(parent, choose_, name, help, run, options);
  }
  CLI::App* Leaf(CLI::App& parent, const std::string& name, const std::string& help,
                 absl::Status (*run)(Context&)) {
    return AddLeaf(parent, choose_, name, help, run);
  }
  CLI::App* Group(const std::string& name, const std::string& help) {
    return AddGroup(app_, name, help);
  }

  // For the list of commands only: run.cc starts them before anything is parsed.
  void AddSiblings() {
    for (const Sibling& sibling : Siblings()) {
      CLI::App* const app = app_.add_subcommand(sibling.word, sibling.help);
      app->prefix_command();
      app->callback([this, word = sibling.word] {
        action_ = [word](Context&) {
          return RefuseField(Reason::FIELD_NOT_ALLOWED, word, "",
                             "is a program of its own: its name comes first, options after it");
        };
      });
    }
  }

  void AddReceipts() {
    CLI::App* const group = Group("receipt", "proofs that a device's issue is in the ledger");
    auto get = std::make_shared<ReceiptOptions>();
    CLI::App* app =
        Leaf(*group, "get", "write the receipts of a device, one file an entry", &GetReceipts, get);
    CLI::Option* const device = app->add_option("--device", get->device_id, "the device id");
    CLI::Option* const lot = app->add_option("--lot", get->lot, "the lot")->excludes(device);
    CLI::Option* const ticket = app->add_option("--ticket", get->ticket, "the ticket")->needs(lot);
    lot->needs(ticket);
    app->add_option("--out", get->out, "folder (default: here)");
    app->callback([this, app, get, device, ticket] {
      if (device->empty() && ticket->empty()) {
        throw CLI::RequiredError(app->get_name() + ": --device, or --lot and --ticket,");
      }
      action_ = [get](Context& context) { return GetReceipts(context, *get); };
    });

    auto verify = std::make_shared<ReceiptOptions>();
    app = Leaf(*group, "verify", "check a receipt with the public key alone, without a server",
               &VerifyReceiptFile, verify);
    app->add_option("file", verify->file, "the receipt")->required();
    app->add_option("--key", verify->key, "the ledger's verifier key, or its file")->required();
    app->add_option("--witness", verify->witnesses,
                    "a witness's verifier key, or its file; may be repeated");
    AddNumber(app, "--quorum,--witnesses", verify->least_witnesses,
              "how many of them must have cosigned (default: all)");
    app->add_option("--device", verify->device_id, "the device it must be of");
    app->add_option("--dac", verify->dac, "the certificate it must be of, PEM or DER");
    app->add_option("--image", verify->image, "the factory image it must be of");
    app->add_option("--not-before", verify->not_before, "a checkpoint it must not be older than");
  }

  void AddLedger() {
    CLI::App* const group =
        Group("ledger", "the append-only record of what happened, and its proof");
    Leaf(*group, "key", "the verifier key as the server tells it", &ShowLedgerKey);

    auto checkpoint = std::make_shared<LedgerOptions>();
    CLI::App* app =
        Leaf(*group, "checkpoint", "the newest signed checkpoint", &ShowCheckpoint, checkpoint);
    app->add_option("--key", checkpoint->key, "check it with this verifier key, or its file");
    AddNumber(app, "--size", checkpoint->size, "the first that covers so many entries");
    app->add_option("--out", checkpoint->out, "write it to this file");

    auto verify = std::make_shared<LedgerOptions>();
    app = Leaf(*group, "verify", "read the whole ledger and check every entry and hash",
               &VerifyLedger, verify);
    app->add_option("--key", verify->key, "the ledger's verifier key, or its file")->required();
    app->add_option("--tiles", verify->folder, "a folder of exported tiles instead of the server");
    app->add_option(
        "--remember", verify->remember,
        "file of the newest checkpoint seen: must be a beginning of this one, then renewed");

    auto entries = std::make_shared<LedgerOptions>();
    app = Leaf(*group, "entries", "entries as JSON lines", &ListEntries, entries);
    AddNumber(app, "--first", entries->first, "the first one (default 0)");
    AddNumber(app, "-n,--count", entries->count, "how many (default 100)");

    auto tiles = std::make_shared<LedgerOptions>();
    app = Leaf(*group, "export-tiles",
               "copy the ledger as files (c2sp.org/tlog-tiles), adding to what is there",
               &ExportLedger, tiles);
    app->add_option("--key", tiles->key, "the ledger's verifier key, or its file")->required();
    app->add_option("--out", tiles->out, "the folder")->required();
  }

  void AddWitnesses() {
    CLI::App* const group =
        Group("witness", "watching that the ledger only grows, and saying so under it");
    auto make = std::make_shared<WitnessOptions>();
    CLI::App* app = Leaf(*group, "make-key", "make a witness's key", &MakeWitness, make);
    app->add_option("--name", make->name, "its name, for example witness.example.com/w1")
        ->required();
    app->add_option("--out", make->out, "file for the private key")->required();

    auto cosign = std::make_shared<WitnessOptions>();
    app = Leaf(*group, "cosign",
               "cosign the newest checkpoint, if it continues the last one cosigned", &CosignLedger,
               cosign);
    app->add_option("--key", cosign->key, "the ledger's verifier key, or its file")->required();
    app->add_option("--witness-key", cosign->witness_key, "file of the witness's private key")
        ->required();
    app->add_option("--remember", cosign->remember, "file of the last checkpoint cosigned")
        ->required();

    auto shown = std::make_shared<WitnessOptions>();
    app = Leaf(*group, "checkpoint", "the newest checkpoint with enough cosignatures",
               &ShowCosignedCheckpoint, shown);
    AddNumber(app, "--quorum", shown->least, "how many (default 1)");
    app->add_option("--out", shown->out, "write it to this file");

    auto receipts = std::make_shared<WitnessOptions>();
    app = Leaf(*group, "receipt", "a device's receipts under a cosigned checkpoint",
               &GetCosignedReceipts, receipts);
    app->add_option("--device", receipts->device_id, "the device id")->required();
    AddNumber(app, "--quorum", receipts->least, "how many cosignatures (default 1)");
    app->add_option("--out", receipts->out, "folder (default: here)");
  }

  void AddIssuing() {
    auto issue = std::make_shared<IssueOptions>();
    CLI::App* app =
        Leaf(app_, "issue", "issue identities of a lot, one folder a device", &Issue, issue);
    app->add_option("--lot", issue->lot, "the lot")->required();
    AddNumber(app, "-n,--count", issue->count, "devices of this run, in all: 1 to 1000000");
    app->add_option("--out", issue->out, "folder of the run (default: the lot's name)");
    app->add_option("--csr", issue->csr_folder, "folder of *.csr, for keys made on devices");
    app->add_option("--modules", issue->modules,
                    "csv of the modules this lot completes: a column device_id, cn or dac_serial");
    app->add_option("--given", issue->given,
                    "DACs made elsewhere: a folder, or a csv with the columns cert, key, pai");
    app->add_option("--pai", issue->pai_file, "the PAI of --given, where it is not beside them");
    app->add_option("--ticket-prefix", issue->ticket_prefix,
                    "before each ticket's number or file name");
    app->add_flag("--confirm", issue->confirm, "confirm each device once its folder is on disk");
    app->add_flag("--show-qr", issue->show_qr, "draw the QR codes in the terminal");
    app->add_option("--window", issue->window, "requests in flight")->check(CLI::Range(1, 1024));

    auto fetch = std::make_shared<TicketOptions>();
    app = Leaf(app_, "fetch", "fetch the sealed identity of a ticket again", &Fetch, fetch);
    app->add_option("--lot", fetch->lot, "the lot")->required();
    app->add_option("--ticket", fetch->ticket, "the ticket")->required();
    app->add_option("--out", fetch->out, "folder (default: the ticket)");

    auto confirm = std::make_shared<TicketOptions>();
    confirm->outcome = "provisioned";
    app = Leaf(app_, "confirm", "tell what became of a unit", &ConfirmUnit, confirm);
    app->add_option("--lot", confirm->lot, "the lot")->required();
    app->add_option("--ticket", confirm->ticket, "the ticket")->required();
    app->add_option("--outcome", confirm->outcome, "provisioned or scrapped")
        ->check(CLI::IsMember({"provisioned", "scrapped"}));
  }

  void AddCatalog() {
    Leaf(app_, "status",
         "the whole system: parts, replicas, HSM, database, ledger, what ends soon, lots",
         &ShowStatus);
    CLI::App* const products = Group("product", "products: what may be issued");
    auto product = std::make_shared<ProductOptions>();
    CLI::App* app = Leaf(*products, "apply", "create or replace a product from a YAML file",
                         &ApplyProduct, product);
    app->add_option("file", product->file, "YAML: name, spec")->required();
    app->add_option("--name", product->name, "instead of the file's name");
    app = Leaf(*products, "show", "one product", &ShowProduct, product);
    app->add_option("name", product->name)->required();
    Leaf(*products, "list", "all products", &ListProducts);

    CLI::App* const lots = Group("lot", "lots: how many may be issued");
    AddLeaseCommands(*lots, choose_);
    auto lot = std::make_shared<LotOptions>();
    app = Leaf(*lots, "open", "open a lot of a product", &OpenLot, lot);
    app->add_option("name", lot->name)->required();
    app->add_option("--product", lot->product)->required();
    app->add_option("--factory", lot->factory, "(default: the profile's)");
    AddNumber(app, "-n,--count", lot->count, "identities that may ever be sealed")->required();
    AddNumber(app, "--retention-days", lot->retention_days,
              "how long sealed images wait (default 30)");
    app = Leaf(*lots, "raise", "raise a lot's count", &RaiseLot, lot);
    app->add_option("name", lot->name)->required();
    AddNumber(app, "-n,--count", lot->count, "the new total")->required();
    app = Leaf(*lots, "close", "close a lot for good", &CloseLot, lot);
    app->add_option("name", lot->name)->required();
    app = Leaf(*lots, "show", "one lot", &ShowLot, lot);
    app->add_option("name", lot->name)->required();
    app = Leaf(*lots, "list", "all lots", &ListLots, lot);
    app->add_option("--product", lot->product);
    app->add_option("--factory", lot->factory);
    AddBundleCommands(*lots, choose_);
  }

  void AddFiles() {
    AddCodeCommands(app_, choose_);
    CLI::App* const images = Group("image", "image files");
    auto image = std::make_shared<ImageOptionsTyped>();
    CLI::App* app = Leaf(*images, "inspect", "every entry and its CRC", &InspectImageFile, image);
    app->add_option("file", image->file)->required();
    app->add_option("--keys", image->keys, "keys partition or HMAC key that opens it");
    app->add_flag("--show-secrets", image->show_secrets);
    app = Leaf(*images, "diff", "what differs between two images", &DiffImageFiles, image);
    app->add_option("file", image->file)->required();
    app->add_option("other", image->other)->required();
    app->add_option("--keys", image->keys);
    app->add_option("--other-keys", image->other_keys);
    app->add_flag("--show-secrets", image->show_secrets);
    app = Leaf(*images, "verify", "signature, and row of the manifest", &VerifyImageFile, image);
    app->add_option("file", image->file)->required();
    app->add_option("--signature", image->signature, "(default: FILE.cms)");
    app->add_option("--certificate", image->certificate, "the image signer's")->required();
    app->add_option("--manifest", image->manifest, "manifest.csv or an audit export");

    AddLabelCommand(app_, choose_);
  }

  CLI::App app_;
  GlobalOptions global_;
  Action action_;
  const ChooseAction choose_ = [this](Action action) { action_ = std::move(action); };
};

// CLI11 has no short options of several letters.
std::vector<std::string> WithLongNames(std::vector<std::string> arguments) {
  static const auto* const kLong = new std::map<std::string, std::string>{
      {"-cd", "--cert-dclrn"},   {"-cf", "--commissioning-flow"}, {"-dm", "--discovery-mode"},
      {"-lt", "--lifetime"},     {"-vf", "--valid-from"},         {"-cn", "--cn-prefix"},
      {"-ds", "--ds-peripheral"}};
  auto at = std::find(arguments.begin(), arguments.end(), "mfg-tool");
  for (; at != arguments.end(); ++at) {
    if (const auto found = kLong->find(*at); found != kLong->end()) *at = found->second;
  }
  return arguments;
}

}  // namespace

ParsedCommand ParseCommand(const std::vector<std::string>& arguments) {
  Tree tree;
  return tree.Parse(WithLongNames(arguments));
}

}  // namespace assay::client
