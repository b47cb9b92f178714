#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/command/guarded_requests.h"
#include "client/command/system_commands.h"
#include "client/files.h"
#include "client/show.h"
#include "client/spec_file.h"

namespace assay::client {
namespace {

using Catalog = v1::CatalogService::Stub;

std::string Id(uint32_t id) { return absl::StrFormat("0x%04X", id); }
std::string Day(const google::protobuf::Timestamp& stamp) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(stamp.seconds()),
                          absl::UTCTimeZone());
}

// A connection and the catalog on it.
struct Desk {
  std::shared_ptr<Connection> connection;
  std::unique_ptr<Catalog> stub;
};
absl::StatusOr<Desk> Open(const Context& context, const std::string& role) {
  auto connection = context.Connect(role);
  if (!connection.ok()) return connection.status();
  Desk desk{*connection, v1::CatalogService::NewStub((*connection)->channel())};
  return desk;
}

// One call whose answer is one message to be shown.
template <typename Request, typename Response>
absl::Status CallAndShow(Context& context, const std::string& role,
                         grpc::Status (Catalog::*method)(grpc::ClientContext*, const Request&,
                                                         Response*),
                         const Request& request) {
  auto desk = Open(context, role);
  if (!desk.ok()) return desk.status();
  const auto response = desk->connection->Call(*desk->stub, method, request);
  if (!response.ok()) return response.status();
  context.PrintMessage(*response);
  return absl::OkStatus();
}

std::vector<std::string> LotRow(const v1::Lot& lot) {
  return {lot.name(),
          lot.product(),
          lot.factory(),
          lot.state() == v1::LOT_STATE_OPEN ? "open" : "closed",
          absl::StrCat(lot.count()),
          absl::StrCat(lot.sealed()),
          absl::StrCat(lot.confirmed()),
          absl::StrCat(lot.scrapped()),
          absl::StrCat(lot.count() - std::min(lot.count(), lot.claimed())),
          Day(lot.opened_at())};
}
const std::vector<std::string>& LotHead() {
  static const auto* const kHead =
      new std::vector<std::string>{"lot",    "product",   "factory",  "state", "count",
                                   "sealed", "confirmed", "scrapped", "left",  "opened"};
  return *kHead;
}

absl::StatusOr<std::vector<v1::Lot>> AllLots(Desk& desk, const LotOptions& options) {
  std::vector<v1::Lot> lots;
  v1::ListLotsRequest request;
  request.set_product(options.product);
  request.set_factory(options.factory);
  request.set_page_size(1000);
  do {
    const auto page = desk.connection->Call(*desk.stub, &Catalog::ListLots, request);
    if (!page.ok()) return page.status();
    lots.insert(lots.end(), page->lots().begin(), page->lots().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return lots;
}

void PrintLots(Context& context, const std::vector<v1::Lot>& lots) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Lot& lot : lots) rows.push_back(LotRow(lot));
  context.Print(RenderTable(LotHead(), rows));
}

}  // namespace

absl::Status ApplyProduct(Context& context, const ProductOptions& options) {
  const auto yaml = ReadTextFile(options.file);
  if (!yaml.ok()) return yaml.status();
  v1::ApplyProductRequest request;
  ASSAY_RETURN_IF_ERROR(FillFromYaml(*yaml, options.file, request));
  if (!options.name.empty()) request.set_name(options.name);
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  return CallAndShow(context, "operator", &Catalog::ApplyProduct, request);
}

absl::Status ShowProduct(Context& context, const ProductOptions& options) {
  v1::GetProductRequest request;
  request.set_name(options.name);
  return CallAndShow(context, "operator", &Catalog::GetProduct, request);
}

absl::Status ListProducts(Context& context) {
  auto desk = Open(context, "operator");
  if (!desk.ok()) return desk.status();
  v1::ListProductsResponse all;
  v1::ListProductsRequest request;
  request.set_page_size(1000);
  do {
    const auto page = desk->connection->Call(*desk->stub, &Catalog::ListProducts, request);
    if (!page.ok()) return page.status();
    all.mutable_products()->MergeFrom(page->products());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (context.json()) {
    context.PrintMessage(all);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Product& product : all.products()) {
    const v1::ProductSpec& spec = product.spec();
    rows.push_back(
        {product.name(), Id(spec.vendor_id()), Id(spec.product_id()), spec.vendor_name(),
         spec.product_name(),
         EnumWord(*v1::Attestation_descriptor()->FindValueByNumber(spec.dac().attestation())),
         absl::StrCat(product.revision()), Day(product.updated_at())});
  }
  context.Print(RenderTable(
      {"product", "VID", "PID", "vendor", "name", "attestation", "revision", "updated"}, rows));
  return absl::OkStatus();
}

absl::Status OpenLot(Context& context, const LotOptions& options) {
  return CallAndShow(context, "operator", &Catalog::OpenLot, OpenLotRequestOf(context, options));
}

absl::Status RaiseLot(Context& context, const LotOptions& options) {
  return CallAndShow(context, "operator", &Catalog::RaiseLot, RaiseLotRequestOf(options));
}

absl::Status CloseLot(Context& context, const LotOptions& options) {
  v1::CloseLotRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  return CallAndShow(context, "operator", &Catalog::CloseLot, request);
}

absl::Status ShowLot(Context& context, const LotOptions& options) {
  v1::GetLotRequest request;
  request.set_name(options.name);
  return CallAndShow(context, "line", &Catalog::GetLot, request);
}

absl::Status ListLots(Context& context, const LotOptions& options) {
  auto desk = Open(context, "operator");
  if (!desk.ok()) return desk.status();
  const auto lots = AllLots(*desk, options);
  if (!lots.ok()) return lots.status();
  if (context.json()) {
    v1::ListLotsResponse all;
    for (const v1::Lot& lot : *lots) *all.add_lots() = lot;
    context.PrintMessage(all);
    return absl::OkStatus();
  }
  PrintLots(context, *lots);
  return absl::OkStatus();
}

absl::Status ShowStatus(Context& context) {
  auto desk = Open(context, "operator");
  if (!desk.ok()) return desk.status();
  if (const absl::Status status = ShowSystem(context, *desk->connection);
      !status.ok() || context.json()) {
    return status;
  }
  const auto lots = AllLots(*desk, {});
  if (!lots.ok()) return lots.status();
  context.Print("\n");
  PrintLots(context, *lots);
  return absl::OkStatus();
}

}  // namespace assay::client
