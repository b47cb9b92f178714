// authority and what is under it, in the tree of commands.
#include "client/command/commands.h"
#include "client/command/pai_key_commands.h"
#include "client/command/revocation_commands.h"
#include "client/command/tree.h"

namespace assay::client {

void AddAuthorityCommands(CLI::App& root, const ChooseAction& choose) {
  CLI::App* const authority = AddGroup(root, "authority", "PAIs and what signs");
  AddRevocationCommands(*authority, choose);
  CLI::App* const pais = authority->add_subcommand("pai", "PAIs, their keys in the HSM");
  pais->require_subcommand(1);
  pais->fallthrough();
  auto pai = std::make_shared<PaiOptions>();
  CLI::App* app = AddLeaf(*pais, choose, "create", "make a PAI key in the HSM and its request",
                          &CreatePai, pai);
  app->add_option("name", pai->name)->required();
  AddNumber(app, "-v,--vendor-id", pai->vendor_id, "vendor id")->required();
  AddNumber(app, "-p,--product-id", pai->product_id, "product id, where the PAI is for one");
  app->add_option("--common-name", pai->common_name);
  app->add_option("--out", pai->out, "file for the request (PEM)");
  app->footer("Example:\n  assay authority pai create light -v 0x131B --out light.csr.pem");
  app = AddLeaf(*pais, choose, "install", "install the certificate the PAA's owner signed",
                &InstallPai, pai);
  app->add_option("name", pai->name)->required();
  app->add_option("--certificate", pai->certificate_file, "PEM or DER")->required();
  app->add_option("--paa", pai->paa_file, "PEM or DER")->required();
  app->footer(
      "Checked: key, chain, profile, vendor, product, dates, and the PAA against assayd's trust "
      "list.\nExample:\n  assay authority pai install light --certificate light.pem --paa paa.pem");
  for (const auto& [name, help, run] :
       {std::tuple("sign-sandbox", "sandbox: have the sandbox PAA sign it", &SignSandboxPai),
        std::tuple("activate", "let it sign", &ActivatePai)}) {
    AddLeaf(*pais, choose, name, help, run, pai)->add_option("name", pai->name)->required();
  }
  AddPaiKeyCommands(*pais, choose);
  app = AddLeaf(*pais, choose, "show", "one PAI", &ShowPai, pai);
  app->add_option("name", pai->name)->required();
  app->add_option("--out", pai->out, "file for its chain (PEM)");
  AddLeaf(*pais, choose, "list", "all PAIs", &ListPais);

  auto cd = std::make_shared<DeclarationOptions>();
  app = AddLeaf(*authority, choose, "declaration", "sandbox: sign a certification declaration",
                &SignDeclaration, cd);
  AddNumber(app, "-v,--vendor-id", cd->vendor_id, "vendor id")->required();
  app->add_option_function<std::vector<std::string>>(
         "-p,--product-id",
         [cd](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const auto id = ParseUnsigned(text);
             if (!id) throw CLI::ValidationError("--product-id", "'" + text + "' is not a number");
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

}  // namespace assay::client
