#include "client/mfg_tool/run.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "base/refusal.h"
#include "client/issue_stream.h"
#include "client/mfg_tool/plan.h"
#include "client/mfg_tool/tree.h"
#include "client/progress.h"

namespace assay::client {
namespace {

using Catalog = v1::CatalogService::Stub;
using Authority = v1::AuthorityService::Stub;

// The PAI in the HSM whose certificate -c names.
absl::StatusOr<std::string> PaiNamed(Connection& connection, const std::string& certificate) {
  const auto stub = v1::AuthorityService::NewStub(connection.channel());
  const auto pais = connection.Call(*stub, &Authority::ListPais, v1::ListPaisRequest());
  if (!pais.ok()) return pais.status();
  for (const v1::Pai& pai : pais->pais()) {
    if (pai.certificate() == certificate) return pai.name();
  }
  return RefuseField(
      Reason::PAI_UNKNOWN, "--cert", "",
      "no PAI of this server has this certificate; bring it in with `assay authority pai`, "
      "or leave -c out to use the active PAI that fits vendor and product");
}

// Everything a run needs to know before its first identity.
struct Order {
  MfgToolPlan plan;
  std::string lot;
  v1::ProductSpec spec;   // the lot's
  std::string made_pai;   // DER, of --paa
  std::string rows_file;  // the --mcsv whose rows the devices are
};

// A refusal of the product's field, told by the flag that was typed.
absl::Status InFlags(const absl::Status& status) {
  static const auto* const kFlags =
      new std::map<std::string, std::string>{{"spec.vendor_id", "--vendor-id"},
                                             {"spec.product_id", "--product-id"},
                                             {"spec.vendor_name", "--vendor-name"},
                                             {"spec.product_name", "--product-name"},
                                             {"spec.hardware_version_string", "--hw-ver-str"},
                                             {"spec.manufacturing_date", "--mfg-date"},
                                             {"spec.part_number", "--part-number"},
                                             {"spec.product_label", "--product-label"},
                                             {"spec.product_url", "--product-url"},
                                             {"spec.locales", "--locales"},
                                             {"spec.fixed_labels", "--fixed-labels"},
                                             {"spec.supported_modes", "--supported-modes"},
                                             {"spec.certification_declaration", "--cert-dclrn"},
                                             {"spec.dac.pai", "--pai"},
                                             {"spec.dac.lifetime_days", "--lifetime"},
                                             {"spec.dac.lifetime", "--lifetime"},
                                             {"spec.dac.valid_from", "--valid-from"},
                                             {"spec.image.size", "--size"},
                                             {"serial_number", "--serial-num"},
                                             {"values.serial_number", "--serial-num"},
                                             {"values.passcode", "--passcode"},
                                             {"values.discriminator", "--discriminator"},
                                             {"values.rotating_id", "--rd-id-uid"},
                                             {"values.salt", "--salt"},
                                             {"values.verifier", "--verifier"},
                                             {"locales", "--locales"},
                                             {"fixed_labels", "--fixed-labels"},
                                             {"supported_modes", "--supported-modes"}};
  auto refusal = RefusalOf(status);
  if (!refusal) return status;
  // A lot blames its product, and says with the rule what of it.
  if (const size_t colon = refusal->rule.find(": "); refusal->field == "product" &&
                                                     refusal->rule.starts_with("spec.") &&
                                                     colon != std::string::npos) {
    refusal->field = refusal->rule.substr(0, colon);
    refusal->rule.erase(0, colon + 2);
    refusal->value.clear();  // the product's name, which nobody typed
  }
  // The longest field that begins the refused one: "spec.certification_declaration.cd.vendor_id",
  // "locales[2]".
  std::string field = refusal->field;
  while (!field.empty() && !kFlags->contains(field)) {
    const size_t end = field.find_last_of(".[");
    field.resize(end == std::string::npos ? 0 : end);
  }
  if (field.empty()) return status;
  refusal->field = absl::StrCat(kFlags->at(field), refusal->field.substr(field.size()));
  return Refuse(*refusal);
}

// mfg_tool's --paa: a PAI of vendor and product for this run, its key made in the HSM, its
// certificate signed by the sandbox's PAA there.
absl::Status MakePai(Connection& connection, const MfgToolTools& tools, Order& order) {
  const auto stub = v1::AuthorityService::NewStub(connection.channel());
  v1::CreatePaiRequest create;
  create.set_request_id(NewRequestId());
  create.set_name(absl::StrFormat("mfg-%04x-%04x-%s", order.plan.spec.vendor_id(),
                                  order.plan.spec.product_id(), ToHex(tools.random->Draw(4))));
  create.set_vendor_id(order.plan.spec.vendor_id());
  create.set_product_id(order.plan.spec.product_id());
  create.set_common_name(order.plan.pai_common_name);
  const auto created = connection.Call(*stub, &Authority::CreatePai, create);
  if (!created.ok()) return Within("--paa", created.status());
  v1::SignSandboxPaiRequest sign;
  sign.set_request_id(NewRequestId());
  sign.set_name(create.name());
  const auto pai = connection.Call(*stub, &Authority::SignSandboxPai, sign);
  if (!pai.ok()) return Within("--paa", pai.status());
  if (!order.plan.pai_certificate.empty() && order.plan.pai_certificate != pai->paa_certificate()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "--cert", "",
                       "is not the sandbox's PAA, whose key is in the HSM; leave -c out");
  }
  v1::ActivatePaiRequest activate;
  activate.set_request_id(NewRequestId());
  activate.set_name(create.name());
  const auto active = connection.Call(*stub, &Authority::ActivatePai, activate);
  if (!active.ok()) return Within("--paa", active.status());
  order.made_pai = active->certificate();
  order.plan.spec.mutable_dac()->set_pai(active->name());
  return absl::OkStatus();
}

absl::Status Register(const MfgToolTools& tools, Order& order) {
  auto connection = tools.connect("operator");
  if (!connection.ok()) return connection.status();
  if (order.plan.make_pai) {
    ASSAY_RETURN_IF_ERROR(MakePai(**connection, tools, order));
  } else if (!order.plan.pai_certificate.empty()) {
    auto pai = PaiNamed(**connection, order.plan.pai_certificate);
    if (!pai.ok()) return pai.status();
    order.plan.spec.mutable_dac()->set_pai(*pai);
  }
  const auto stub = v1::CatalogService::NewStub((*connection)->channel());
  v1::ApplyProductRequest product;
  product.set_request_id(NewRequestId());
  const std::string digest =
      ToHex(Sha256(AsBytes(order.plan.spec.SerializeAsString()))).substr(0, 8);
  product.set_name(absl::StrFormat("mfg-%04x-%04x-%s", order.plan.spec.vendor_id(),
                                   order.plan.spec.product_id(), digest));
  *product.mutable_spec() = order.plan.spec;
  const auto applied = (*connection)->Call(*stub, &Catalog::ApplyProduct, product);
  if (!applied.ok()) return InFlags(applied.status());
  v1::OpenLotRequest lot;
  lot.set_request_id(NewRequestId());
  lot.set_name(
      absl::StrCat(product.name(), "-",
                   absl::FormatTime("%Y%m%d-%H%M%S", tools.clock->Now(), absl::UTCTimeZone()), "-",
                   ToHex(tools.random->Draw(2))));
  lot.set_product(product.name());
  lot.set_factory(tools.factory.empty() ? "sandbox" : tools.factory);
  lot.set_count(order.plan.devices.size());
  const auto opened = (*connection)->Call(*stub, &Catalog::OpenLot, lot);
  if (!opened.ok()) return InFlags(opened.status());
  order.lot = opened->name();
  order.spec = opened->spec();
  return absl::OkStatus();
}

absl::Status UseLot(Connection& line, const MfgToolOptions& options, absl::Time now, Order& order) {
  const auto stub = v1::CatalogService::NewStub(line.channel());
  v1::GetLotRequest request;
  request.set_name(options.lot);
  const auto lot = line.Call(*stub, &Catalog::GetLot, request);
  if (!lot.ok()) return lot.status();
  ASSAY_RETURN_IF_ERROR(CheckAgainstLot(options, order.plan, lot->spec()));
  ASSAY_RETURN_IF_ERROR(TakeGivenDacs(options, lot->spec(), now, order.plan));
  if (!order.plan.pai_certificate.empty()) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "--cert", "",
                       "the lot's product says which PAI signs; leave -c out with --lot");
  }
  order.lot = lot->name();
  order.spec = lot->spec();
  return absl::OkStatus();
}

absl::Status CheckKeysRole(const v1::Server& server, const v1::ProductSpec& spec) {
  if (spec.image().encryption() == v1::NVS_ENCRYPTION_NONE) return absl::OkStatus();
  for (const std::string& role : server.roles()) {
    if (role == "keys") return absl::OkStatus();
  }
  return RefuseField(
      Reason::ROLE_MISSING, "--encrypt", "",
      "the line's grant lacks the role keys, so the keys partition would be withheld");
}

absl::Status Issue(Connection& line, const Order& order, MfgToolTree& tree,
                   const MfgToolTools& tools) {
  const size_t count = order.plan.devices.size();
  const std::string prefix = absl::StrCat("mfg-", ToHex(tools.random->Draw(6)), "-");
  const auto ticket_of = [&](size_t index) {
    return absl::StrCat(prefix, absl::StrFormat("%06d", index + 1));
  };
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < count; ++i) index_of[ticket_of(i)] = i;
  Progress progress(count > 1 ? tools.progress : nullptr, 0, count);
  absl::Status first_fault;
  size_t at = 0;
  const auto next = [&]() -> std::optional<v1::IssueRequest> {
    if (at == count) return std::nullopt;
    v1::IssueRequest request;
    request.set_ticket(ticket_of(at));
    request.set_lot(order.lot);
    if (order.plan.devices[at].ByteSizeLong() > 0)
      *request.mutable_values() = order.plan.devices[at];
    if (!order.plan.given_dacs.empty()) *request.mutable_given_dac() = order.plan.given_dacs[at];
    ++at;
    return request;
  };
  const auto take = [&](const std::string& ticket, absl::StatusOr<v1::IssueResponse> outcome) {
    const size_t index = index_of.at(ticket);
    absl::Status status = outcome.ok() ? tree.Add(index, outcome->identity()) : outcome.status();
    if (status.ok()) {
      progress.Add(1);
      return true;
    }
    if (first_fault.ok())
      first_fault = !order.rows_file.empty()
                        ? Within(absl::StrCat(order.rows_file, " row ", index + 1), status)
                    : count == 1 ? InFlags(status)
                                 : Within(absl::StrCat("device ", index + 1), status);
    return false;
  };
  const absl::Status streamed = IssueMany(line, {}, next, take, [] { return false; });
  progress.End();
  return first_fault.ok() ? streamed : first_fault;
}

}  // namespace

absl::StatusOr<MfgToolResult> RunMfgTool(const MfgToolOptions& options, const MfgToolTools& tools) {
  Order order;
  auto plan = PlanMfgTool(options);
  if (!plan.ok()) return plan.status();
  order.plan = *std::move(plan);
  order.rows_file = options.mcsv.value_or("");
  auto line = tools.connect("line");
  if (!line.ok()) return line.status();
  const auto stub = v1::CatalogService::NewStub((*line)->channel());
  const auto server = (*line)->Call(*stub, &Catalog::GetServer, v1::GetServerRequest());
  if (!server.ok()) return server.status();
  if (options.paa && server->mode() != "sandbox") {
    return RefuseField(Reason::TEST_CREDENTIAL, "--paa", "",
                       "makes a PAI under the sandbox's PAA; in production a PAI's request is "
                       "signed by the PAA's owner: `assay authority pai create`");
  }
  if (options.lot.empty() && server->mode() != "sandbox") {
    return RefuseField(
        Reason::FIELD_REQUIRED, "--lot", "",
        "is required by a server in production mode; an operator opens lots with `assay lot open`");
  }
  const absl::Time now = tools.clock->Now();
  if (options.lot.empty()) {
    ASSAY_RETURN_IF_ERROR(CheckKeysRole(*server, order.plan.spec));
    ASSAY_RETURN_IF_ERROR(TakeGivenDacs(options, order.plan.spec, now, order.plan));
    ASSAY_RETURN_IF_ERROR(Register(tools, order));
  } else {
    ASSAY_RETURN_IF_ERROR(UseLot(**line, options, now, order));
  }
  ASSAY_RETURN_IF_ERROR(CheckKeysRole(*server, order.spec));
  TreeOptions tree_options;
  tree_options.outdir = order.plan.outdir;
  tree_options.declaration_path = order.plan.declaration_path;
  tree_options.write_nvs = order.plan.write_nvs;
  tree_options.write_secure_cert = order.plan.write_secure_cert;
  tree_options.now = now;
  tree_options.made_pai = order.made_pai;
  auto tree = MfgToolTree::Create(tree_options, order.spec);
  if (!tree.ok()) return tree.status();
  ASSAY_RETURN_IF_ERROR(Issue(**line, order, *tree, tools));
  auto summary = tree->Finish();
  if (!summary.ok()) return summary.status();
  return MfgToolResult{tree->folder(), *summary, order.lot, order.plan.devices.size()};
}

}  // namespace assay::client
