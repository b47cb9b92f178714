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
#include "client/command/pai_key_commands.h"
#include "client/command/proposal_commands.h"
#include "client/command/records_tree.h"
#include "client/command/revocation_commands.h"
#include "client/command/witness_commands.h"
#include "client/command/sibling.h"
#include "client/command/system_commands.h"
#include "client/command/unknown_word.h"
#include "client/numbers.h"

#ifndef ASSAY_VERSION
#define ASSAY_VERSION "0.1.0"
#endif

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
    AddMfgTool();
    AddCatalog();
    AddAuthority();
    AddProposalCommands(app_, [this](Action action) { action_ = std::move(action); });
    AddAuditCommands(app_, [this](Action action) { action_ = std::move(action); });
    AddReceipts();
    AddLedger();
    AddWitnesses();
    AddFiles();
    AddSizeCommand(app_, [this](Action action) { action_ = std::move(action); });
    AddVerifyCommands(app_, [this](Action action) { action_ = std::move(action); });
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
      parsed.text = text.str();
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
  // A command `name` under `parent` that runs `run` with `options`.
  template <typename Options>
  CLI::App* Leaf(CLI::App& parent, const std::string& name, const std::string& help,
                 absl::Status (*run)(Context&, const Options&),
                 const std::shared_ptr<Options>& options) {
    CLI::App* const leaf = parent.add_subcommand(name, help);
    leaf->fallthrough();
    leaf->callback([this, run, options] {
      action_ = [run, options](Context& context) { return run(context, *options); };
    });
    return leaf;
  }
  CLI::App* Leaf(CLI::App& parent, const std::string& name, const std::string& help,
                 absl::Status (*run)(Context&)) {
    CLI::App* const leaf = parent.add_subcommand(name, help);
    leaf->fallthrough();
    leaf->callback([this, run] { action_ = run; });
    return leaf;
  }
  CLI::App* Group(const std::string& name, const std::string& help) {
    CLI::App* const group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    group->fallthrough();
    return group;
  }

  // Numbers in any base; CLI11 itself knows decimal only.
  template <typename Number>
  static CLI::Option* AddNumber(CLI::App* app, const std::string& names, Number& out,
                                const std::string& help) {
    return app->add_option_function<std::string>(
        names,
        [&out, names](const std::string& text) {
          const auto value = ParseSigned(text);
          constexpr bool kSigned = std::is_same_v<Number, std::optional<int64_t>>;
          if (!value || (!kSigned && *value < 0)) {
            throw CLI::ValidationError(names, "'" + text + "' is not a number");
          }
          if constexpr (kSigned) {
            out = *value;
          } else {
            out = static_cast<uint64_t>(*value);
          }
        },
        help);
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
               "cosign the newest checkpoint, if it continues the last one cosigned",
               &CosignLedger, cosign);
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
    AddNumber(app, "-n,--count", issue->count, "devices of this run, in all");
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

  void AddMfgTool() {
    auto o = std::make_shared<MfgToolOptions>();
    CLI::App* a =
        Leaf(app_, "mfg-tool", "factory images with the flags and files of Espressif's mfg_tool",
             &MfgTool, o);
    a->add_option("--lot", o->lot, "issue from this lot; required by servers in production mode");
    AddNumber(a, "-n,--count", o->count, "devices (default 1)");
    a->add_option("--target", o->target, "chip (default esp32)");
    AddNumber(a, "-s,--size", o->size, "NVS partition size (default 0x6000)");
    a->add_flag("-e,--encrypt", o->encrypt, "encrypt the NVS partition");
    a->add_option("--log-level", o->log_level)->check(CLI::IsMember({"debug", "info", "error"}));
    a->add_option("--outdir", o->outdir, "output folder (default out)");
    a->add_flag("--no-bin", o->no_bin, "write no NVS binary");
    a->add_flag("--no-secure-cert-bin", o->no_secure_cert_bin, "write no secure-cert binary");
    AddNumber(a, "--passcode", o->passcode, "setup passcode");
    AddNumber(a, "--discriminator", o->discriminator, "discriminator, 0 to 4095");
    AddNumber(a, "--commissioning-flow", o->commissioning_flow, "0, 1 or 2 (-cf)");
    AddNumber(a, "--discovery-mode", o->discovery_mode, "2 BLE, 4 on-network, 6 both (-dm)");
    a->add_flag("--enable-dynamic-passcode", o->enable_dynamic_passcode,
                "the device makes its passcode");
    a->add_option("--salt", o->salt, "SPAKE2+ salt, base64");
    a->add_option("--verifier", o->verifier, "SPAKE2+ verifier, base64");
    AddNumber(a, "--iteration-count", o->iteration_count, "PBKDF2 iterations (default 10000)");
    a->add_flag("--commissionable-data-in-secure-cert", o->commissionable_data_in_secure_cert);
    a->add_flag("--dac-in-secure-cert", o->dac_in_secure_cert);
    a->add_flag("--rd-id-uid-in-secure-cert", o->rd_id_uid_in_secure_cert);
    a->add_option("--lifetime", o->lifetime, "days, 'pai' or 'never' (-lt; default never)");
    a->add_option("--valid-from", o->valid_from, "YYYY-MM-DD [HH:MM:SS] (-vf)");
    a->add_option("--cn-prefix", o->cn_prefix, "of the PAI that --paa makes (-cn; default ESP32)");
    a->add_option("-c,--cert", o->cert,
                  "certificate of the PAI to use, which is in the HSM; or of a given DAC's PAI");
    a->add_option("-k,--key", o->key, "(refused: keys stay in the HSM)");
    a->add_option("--cert-dclrn", o->cert_dclrn, "certification declaration (-cd)");
    a->add_option("--dac-cert", o->dac_cert,
                  "a DAC made elsewhere; many: a folder, or a csv with the columns cert, key, pai");
    a->add_option("--dac-key", o->dac_key, "its key; without, the device holds it");
    a->add_flag("--ds-peripheral", o->ds_peripheral, "DAC key in the eFuse (-ds)");
    AddNumber(a, "--efuse-key-id", o->efuse_key_id, "eFuse key block, 0 to 5");
    a->add_option("--port", o->port, "(refused: Assay burns no eFuse)");
    a->add_option("--pwd,--password", o->password, "(refused: there is no key file)");
    CLI::Option* paa =
        a->add_flag("--paa", o->paa, "make a PAI for this run under the sandbox's PAA in the HSM");
    a->add_flag("--pai", o->pai, "DACs from the PAI in the HSM that fits vendor and product")
        ->excludes(paa);
    AddNumber(a, "-v,--vendor-id", o->vendor_id, "vendor id");
    AddNumber(a, "-p,--product-id", o->product_id, "product id");
    a->add_option("--vendor-name", o->vendor_name);
    a->add_option("--product-name", o->product_name);
    AddNumber(a, "--hw-ver", o->hw_ver, "hardware version");
    a->add_option("--hw-ver-str", o->hw_ver_str);
    a->add_option("--mfg-date", o->mfg_date, "YYYY-MM-DD or YYYYMMDD");
    a->add_option("--serial-num", o->serial_num);
    a->add_flag("--enable-rotating-device-id", o->enable_rotating_device_id);
    a->add_option("--rd-id-uid", o->rd_id_uid, "32 hex digits");
    a->add_option("--product-finish", o->product_finish);
    a->add_option("--product-color", o->product_color);
    a->add_option("--part-number", o->part_number);
    a->add_option("--calendar-types", o->calendar_types);
    a->add_option("--locales", o->locales);
    a->add_option("--fixed-labels", o->fixed_labels, "<endpoint>/<label>/<value> ...");
    a->add_option("--supported-modes", o->supported_modes,
                  "<mode>/<label>/<endpoint>[/<value>\\<mfg>, ...] ...");
    a->add_option("--product-label", o->product_label);
    a->add_option("--product-url", o->product_url);
    a->add_option("--csv", o->csv, "which keys the mcsv file has");
    a->add_option("--mcsv", o->mcsv, "their values, a row a device");
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
    AddLeaseCommands(*lots, [this](Action action) { action_ = std::move(action); });
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
    AddBundleCommands(*lots, [this](Action action) { action_ = std::move(action); });
  }

  void AddAuthority() {
    CLI::App* const authority = Group("authority", "PAIs and what signs");
    AddRevocationCommands(*authority, [this](Action action) { action_ = std::move(action); });
    CLI::App* const pais = authority->add_subcommand("pai", "PAIs, their keys in the HSM");
    pais->require_subcommand(1);
    pais->fallthrough();
    auto pai = std::make_shared<PaiOptions>();
    CLI::App* app =
        Leaf(*pais, "create", "make a PAI key in the HSM and its request", &CreatePai, pai);
    app->add_option("name", pai->name)->required();
    AddNumber(app, "-v,--vendor-id", pai->vendor_id, "vendor id")->required();
    AddNumber(app, "-p,--product-id", pai->product_id, "product id, where the PAI is for one");
    app->add_option("--common-name", pai->common_name);
    app->add_option("--out", pai->out, "file for the request (PEM)");
    app->footer("Example:\n  assay authority pai create light -v 0x131B --out light.csr.pem");
    app =
        Leaf(*pais, "install", "install the certificate the PAA's owner signed", &InstallPai, pai);
    app->add_option("name", pai->name)->required();
    app->add_option("--certificate", pai->certificate_file, "PEM or DER")->required();
    app->add_option("--paa", pai->paa_file, "PEM or DER")->required();
    app->footer(
        "Checked: key, chain, profile, vendor, product, dates, and the PAA against assayd's trust "
        "list.\nExample:\n  assay authority pai install light --certificate light.pem --paa paa.pem");
    for (const auto& [name, help, run] :
         {std::tuple("sign-sandbox", "sandbox: have the sandbox PAA sign it", &SignSandboxPai),
          std::tuple("activate", "let it sign", &ActivatePai)}) {
      Leaf(*pais, name, help, run, pai)->add_option("name", pai->name)->required();
    }
    AddPaiKeyCommands(*pais, [this](Action action) { action_ = std::move(action); });
    app = Leaf(*pais, "show", "one PAI", &ShowPai, pai);
    app->add_option("name", pai->name)->required();
    app->add_option("--out", pai->out, "file for its chain (PEM)");
    Leaf(*pais, "list", "all PAIs", &ListPais);

    auto cd = std::make_shared<DeclarationOptions>();
    app = Leaf(*authority, "declaration", "sandbox: sign a certification declaration",
               &SignDeclaration, cd);
    AddNumber(app, "-v,--vendor-id", cd->vendor_id, "vendor id")->required();
    app->add_option_function<std::vector<std::string>>(
           "-p,--product-id",
           [cd](const std::vector<std::string>& texts) {
             for (const std::string& text : texts) {
               const auto id = ParseUnsigned(text);
               if (!id)
                 throw CLI::ValidationError("--product-id", "'" + text + "' is not a number");
               cd->product_ids.push_back(*id);
             }
           },
           "product ids")
        ->required();
    AddNumber(app, "--device-type", cd->device_type_id, "device type id (default 0x0100)");
    app->add_option("--certificate-id", cd->certificate_id, "19 characters");
    AddNumber(app, "--version-number", cd->version_number, "version number (default 1)");
    AddNumber(app, "--dac-origin-vendor-id", cd->origin_vendor_id, "for white labels");
    AddNumber(app, "--dac-origin-product-id", cd->origin_product_id, "for white labels");
    app->add_option("--authorized-paa", cd->authorized_paas, "key ids of PAAs, hex");
    app->add_option("--out", cd->out, "file (DER)")->required();
  }

  void AddFiles() {
    AddCodeCommands(app_, [this](Action action) { action_ = std::move(action); });
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

    AddLabelCommand(app_, [this](Action action) { action_ = std::move(action); });
  }

  CLI::App app_;
  GlobalOptions global_;
  Action action_;
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
