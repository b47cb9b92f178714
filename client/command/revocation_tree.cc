#include <memory>
#include <utility>

#include "client/command/revocation_commands.h"
#include "client/command/tree.h"

namespace assay::client {
namespace {

void AddReason(CLI::App* app, RevokeOptions& options) {
  app->add_option("--reason", options.reason,
                  "key-compromise, authority-compromise, affiliation-changed, superseded, "
                  "cessation-of-operation or privilege-withdrawn")
      ->required();
  app->add_flag("--yes", options.yes, "do not ask: this cannot be undone");
}

}  // namespace

void AddRevocationCommands(CLI::App& authority, const Choose& choose) {
  CLI::App* const revoke = AddGroup(authority, "revoke", "revoke for ever");
  auto options = std::make_shared<RevokeOptions>();
  CLI::App* app = AddLeaf(*revoke, choose, "device", "one device", &RevokeDevice, options);
  app->add_option("device", options->name, "its id");
  app->add_option("--dac-serial", options->dac_serial, "hex, instead of the id");
  AddReason(app, *options);
  app = AddLeaf(*revoke, choose, "lot", "every device of a lot, and close it", &RevokeLot, options);
  app->add_option("name", options->name)->required();
  AddReason(app, *options);
  app = AddLeaf(*revoke, choose, "pai", "a PAI, and with it all its devices", &RevokePai, options);
  app->add_option("name", options->name)->required();
  AddReason(app, *options);

  auto list = std::make_shared<CrlCommandOptions>();
  app = AddLeaf(authority, choose, "crl", "an issuer's revocation list", &FetchCrl, list);
  app->add_option("issuer", list->issuer, "a PAI's name, or one of crl-issuers")->required();
  app->add_option("--part", list->part, "of a list that was divided (default 0)");
  app->add_flag("--fresh", list->fresh, "have a new one signed now");
  app->add_option("--out", list->out, "file: DER, or PEM where it ends in .pem");
  AddLeaf(authority, choose, "crl-issuers", "whose lists there are", &ListCrlIssuers, list);
  app = AddLeaf(authority, choose, "crl-delegate", "give a PAI's lists a signer of their own",
                &DelegateCrl, list);
  app->add_option("pai", list->issuer)->required();
  app = AddLeaf(authority, choose, "revocation-set", "what commissioners look devices up in (JSON)",
                &FetchRevocationSet, list);
  app->add_option("--out", list->out, "file (default: standard output)");
  app = AddLeaf(authority, choose, "distribution-point", "records for the DCL, ready made",
                &ShowDistributionPoints, list);
  app->add_option("pai", list->issuer)->required();
  app->add_option("--out", list->out, "folder for the records and certificates");
}

void AddVerifyCommands(CLI::App& root, const Choose& choose) {
  auto files = std::make_shared<VerifyOptions>();
  CLI::App* app =
      AddLeaf(root, choose, "verify",
              "would a commissioner take this device? files only, no server", &VerifyFiles, files);
  app->add_option("--dac", files->dac, "PEM or DER")->required();
  app->add_option("--pai", files->pai, "PEM or DER")->required();
  app->add_option("--paa", files->paas, "trusted PAAs, PEM or DER")->required();
  app->add_option("--cd-signer", files->cd_signers, "trusted signers of declarations");
  app->add_flag("--sdk-test-signer", files->sdk_test_signer,
                "take the SDK's published test signer too, if it is given");
  app->add_option("--cd", files->cd, "the declaration, where there are no elements");
  app->add_option("--elements", files->elements, "what the device signed (TLV file)");
  app->add_option("--signature", files->signature, "64 bytes, hex or @FILE");
  app->add_option("--nonce", files->nonce, "32 bytes, hex or @FILE");
  app->add_option("--challenge", files->challenge, "16 bytes, hex or @FILE");
  app->add_option("-v,--vendor-id", files->vendor_id, "as the device says it (default: the DAC's)");
  app->add_option("-p,--product-id", files->product_id,
                  "as the device says it (default: the DAC's)");
  app->add_option("--revocation-set", files->revocation_set, "JSON file");
  app->add_option("--at", files->at, "date to judge at (default: now)");
  app->footer(
      "Without elements: certificates and declaration. With them: all a commissioner checks.\n"
      "Examples:\n"
      "  assay verify --dac dac.pem --pai pai.pem --paa paa.pem --cd-signer cd.pem --cd cd.der\n"
      "  assay verify --dac dac.pem --pai pai.pem --paa paa.pem --cd-signer cd.pem \\\n"
      "      --elements elements.bin --signature @signature.bin --nonce @nonce.bin \\\n"
      "      --challenge @challenge.bin --revocation-set revocations.json");

  CLI::App* const group = AddGroup(root, "attest", "check a unit at the end of the line");
  auto attest = std::make_shared<AttestOptions>();
  app = AddLeaf(*group, choose, "begin", "get nonce and challenge for the unit", &BeginAttest,
                attest);
  app->add_option("--device", attest->device_id, "its id; or --lot and --ticket");
  app->add_option("--lot", attest->lot);
  app->add_option("--ticket", attest->ticket);
  app->add_option("--folder", attest->folder, "where nonce.bin and challenge.bin go")->required();
  app = AddLeaf(*group, choose, "finish", "hand in what the unit answered", &FinishAttest, attest);
  app->add_option("--folder", attest->folder, "of `begin`")->required();
  app->add_option("--elements", attest->elements, "file")->required();
  app->add_option("--signature", attest->signature, "64 bytes, hex or @FILE")->required();
  app->add_option("--dac", attest->dac, "PEM or DER")->required();
  app->add_option("--pai", attest->pai, "PEM or DER")->required();
  app->add_option("--firmware", attest->firmware, "expected firmware information, hex or @FILE");
}

}  // namespace assay::client
