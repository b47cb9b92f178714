#include "client/command/pai_key_commands.h"

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/pai_key.grpc.pb.h"
#include "base/refusal.h"
#include "client/certificate_file.h"
#include "client/command/authority_call.h"
#include "client/command/confirm.h"
#include "client/command/sibling.h"
#include "client/files.h"
#include "client/numbers.h"
#include "matter/certificate.h"
#include "matter/name.h"

namespace assay::client {
namespace {

std::string LabelOf(const PaiKeyOptions& options) {
  return options.key_label.empty() ? absl::StrCat("assay-pai-", options.name) : options.key_label;
}

absl::StatusOr<v1::Pai> CallAdopt(Context& context, const v1::AdoptPaiRequest& request) {
  const auto connection = context.Connect("operator");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::PaiKeyService::NewStub((*connection)->channel());
  return (*connection)->Call(*stub, &v1::PaiKeyService::Stub::AdoptPai, request);
}

absl::StatusOr<std::string> ConfigFile(Context& context, const PaiKeyOptions& options) {
  if (!options.config_file.empty()) return options.config_file;
  const auto profile = context.LoadProfile();
  if (!profile.ok()) return profile.status();
  const std::string beside =
      (std::filesystem::path(profile->path).parent_path() / "assayd.yaml").string();
  if (PathExists(beside)) return beside;
  return RefuseField(Reason::FIELD_REQUIRED, "--config", "",
                     "assayd's configuration file, which tells where the sandbox's token is");
}

// A run that was cut off after adopting left the PAI: it is taken up if it is of this key.
absl::StatusOr<v1::Pai> AdoptOrTakeUp(Context& context, const PaiKeyOptions& options,
                                      const matter::Certificate& certificate) {
  const auto& ids = certificate.subject_ids();
  if (!ids.ok()) return Within("--certificate", ids.status());
  v1::AdoptPaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_key_label(LabelOf(options));
  request.set_vendor_id(ids->vid.value_or(0));
  if (ids->pid) request.set_product_id(*ids->pid);
  request.set_common_name(options.common_name);
  auto adopted = CallAdopt(context, request);
  if (!HasReason(adopted.status(), Reason::PAI_CONFLICT)) return adopted;
  v1::GetPaiRequest get;
  get.set_name(options.name);
  auto there = CallAuthority(context, &v1::AuthorityService::Stub::GetPai, get);
  if (there.ok() && there->public_key() == ToText(certificate.public_key())) return there;
  return adopted;
}

}  // namespace

absl::Status AdoptPai(Context& context, const PaiKeyOptions& options) {
  v1::AdoptPaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_key_label(LabelOf(options));
  if (!options.csr_file.empty()) {
    const auto csr = ReadFile(options.csr_file);
    if (!csr.ok()) return Within("--csr", csr.status());
    request.set_csr(ToText(*csr));
  } else if (!options.vendor_id) {
    return RefuseField(Reason::FIELD_REQUIRED, "--csr", "",
                       "the ceremony's request, or --vendor-id to have a new one signed");
  }
  request.set_vendor_id(static_cast<uint32_t>(options.vendor_id.value_or(0)));
  if (options.product_id) request.set_product_id(static_cast<uint32_t>(*options.product_id));
  request.set_common_name(options.common_name);
  return PrintPai(context, CallAdopt(context, request));
}

absl::Status ImportPai(Context& context, const PaiKeyOptions& options) {
  const auto certificate = ReadCertificateFile("--certificate", options.certificate_file);
  if (!certificate.ok()) return certificate.status();
  const auto paa = ReadCertificateFile("--paa", options.paa_file);
  if (!paa.ok()) return paa.status();
  const auto config = ConfigFile(context, options);
  if (!config.ok()) return config.status();
  ASSAY_RETURN_IF_ERROR(
      RunSibling("ceremony", {"import", "--config", *config, "--label", LabelOf(options), "--key",
                              options.key_file, "--certificate", options.certificate_file}));
  const auto pai = AdoptOrTakeUp(context, options, *certificate);
  if (!pai.ok()) return pai.status();
  v1::InstallPaiRequest install;
  install.set_request_id(NewRequestId());
  install.set_name(options.name);
  install.set_certificate(ToText(certificate->der()));
  install.set_paa_certificate(ToText(paa->der()));
  return PrintPai(context,
                  CallAuthority(context, &v1::AuthorityService::Stub::InstallPai, install));
}

absl::Status RetirePai(Context& context, const PaiKeyOptions& options) {
  ASSAY_RETURN_IF_ERROR(ConfirmByName(
      context, options.yes, options.name,
      absl::StrCat("Retire the PAI ", options.name, " for ever? It signs no DAC after that."),
      "retiring"));
  v1::RetirePaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  return PrintPai(context, CallAuthority(context, &v1::AuthorityService::Stub::RetirePai, request));
}

namespace {

CLI::App* Leaf(CLI::App& parent, const Choose& choose, const std::string& name,
               const std::string& help, absl::Status (*run)(Context&, const PaiKeyOptions&),
               const std::shared_ptr<PaiKeyOptions>& options) {
  CLI::App* const leaf = parent.add_subcommand(name, help);
  leaf->fallthrough();
  leaf->callback([choose, run, options] {
    choose([run, options](Context& context) { return run(context, *options); });
  });
  leaf->add_option("name", options->name)->required();
  return leaf;
}

void AddNumber(CLI::App* app, const std::string& names, std::optional<uint64_t>& out,
               const std::string& help) {
  app->add_option_function<std::string>(
      names,
      [&out, names](const std::string& text) {
        const auto value = ParseUnsigned(text);
        if (!value) throw CLI::ValidationError(names, "'" + text + "' is not a number");
        out = *value;
      },
      help);
}

}  // namespace

void AddPaiKeyCommands(CLI::App& pais, const Choose& choose) {
  auto options = std::make_shared<PaiKeyOptions>();
  CLI::App* app = Leaf(pais, choose, "adopt", "make a PAI of a key that is in the HSM already",
                       &AdoptPai, options);
  app->add_option("--key-label", options->key_label, "of the key (default: assay-pai-NAME)");
  CLI::Option* const csr = app->add_option("--csr", options->csr_file,
                                           "the ceremony's request: vendor and product are its");
  AddNumber(app, "-v,--vendor-id", options->vendor_id, "vendor id, without --csr");
  AddNumber(app, "-p,--product-id", options->product_id, "product id, where the PAI is for one");
  app->get_option("--vendor-id")->excludes(csr);
  app->get_option("--product-id")->excludes(csr);
  app->add_option("--common-name", options->common_name)->excludes(csr);
  app->footer("Example:\n  assay authority pai adopt light --csr light.csr.pem");

  app =
      Leaf(pais, choose, "import", "sandboxes only: a PAI of a key in a file", &ImportPai, options);
  app->add_option("--key", options->key_file, "PEM or DER, without a passphrase")->required();
  app->add_option("--certificate", options->certificate_file, "PEM or DER")->required();
  app->add_option("--paa", options->paa_file, "PEM or DER; must be in assayd's trust list")
      ->required();
  app->add_option("--key-label", options->key_label, "in the HSM (default: assay-pai-NAME)");
  app->add_option("--config", options->config_file,
                  "assayd's configuration (default: assayd.yaml beside the profile)");
  app->footer("The key goes into the HSM on this machine; it is not sent to assayd.");

  app = Leaf(pais, choose, "retire", "for ever: no more DACs from it", &RetirePai, options);
  app->add_flag("--yes", options->yes, "do not ask: this cannot be undone");
}

}  // namespace assay::client
