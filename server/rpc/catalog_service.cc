#include "server/rpc/catalog_service.h"

#include <utility>

#include "server/rpc/list_page.h"
#include "server/rpc/unary.h"

namespace assay::rpc {
CatalogService::CatalogService(const FrontDesk& desk, BlockingPool& pool, lot::Catalog& catalog,
                               PageTokens tokens, ServerFacts facts)
    : Readable(desk),
      pool_(pool),
      catalog_(catalog),
      tokens_(std::move(tokens)),
      facts_(std::move(facts)) {
  Serve("ApplyProduct", &CatalogService::ApplyProduct);
  Serve("GetProduct", &CatalogService::GetProduct);
  Serve("ListProducts", &CatalogService::ListProducts);
  Serve("OpenLot", &CatalogService::OpenLot);
  Serve("RaiseLot", &CatalogService::RaiseLot);
  Serve("CloseLot", &CatalogService::CloseLot);
  Serve("GetLot", &CatalogService::GetLot);
  Serve("ListLots", &CatalogService::ListLots);
  Serve("GetServer", &CatalogService::GetServer);
}

grpc::ServerUnaryReactor* CatalogService::ApplyProduct(grpc::CallbackServerContext* context,
                                                       const v1::ApplyProductRequest* request,
                                                       v1::Product* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/ApplyProduct", "", response,
      [this, request](const Call& call) { return catalog_.ApplyProduct(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::GetProduct(grpc::CallbackServerContext* context,
                                                     const v1::GetProductRequest* request,
                                                     v1::Product* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/GetProduct", "", response,
      [this, request](const Call& call) { return catalog_.GetProduct(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::ListProducts(grpc::CallbackServerContext* context,
                                                       const v1::ListProductsRequest* request,
                                                       v1::ListProductsResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.CatalogService/ListProducts", "", response,
                       [this, request](const Call& call) {
                         return ListPage(tokens_, call.caller(), *request, [&](const auto& page) {
                           return catalog_.ListProducts(call.caller(), page);
                         });
                       });
}

grpc::ServerUnaryReactor* CatalogService::OpenLot(grpc::CallbackServerContext* context,
                                                  const v1::OpenLotRequest* request,
                                                  v1::Lot* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/OpenLot", request->name(), response,
      [this, request](const Call& call) { return catalog_.OpenLot(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::RaiseLot(grpc::CallbackServerContext* context,
                                                   const v1::RaiseLotRequest* request,
                                                   v1::Lot* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/RaiseLot", request->name(), response,
      [this, request](const Call& call) { return catalog_.RaiseLot(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::CloseLot(grpc::CallbackServerContext* context,
                                                   const v1::CloseLotRequest* request,
                                                   v1::Lot* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/CloseLot", request->name(), response,
      [this, request](const Call& call) { return catalog_.CloseLot(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::GetLot(grpc::CallbackServerContext* context,
                                                 const v1::GetLotRequest* request,
                                                 v1::Lot* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.CatalogService/GetLot", request->name(), response,
      [this, request](const Call& call) { return catalog_.GetLot(call.caller(), *request); });
}

grpc::ServerUnaryReactor* CatalogService::ListLots(grpc::CallbackServerContext* context,
                                                   const v1::ListLotsRequest* request,
                                                   v1::ListLotsResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.CatalogService/ListLots", "", response,
                       [this, request](const Call& call) {
                         return ListPage(tokens_, call.caller(), *request, [&](const auto& page) {
                           return catalog_.ListLots(call.caller(), page);
                         });
                       });
}

grpc::ServerUnaryReactor* CatalogService::GetServer(grpc::CallbackServerContext* context,
                                                    const v1::GetServerRequest* /*request*/,
                                                    v1::Server* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<Call> call = desk_.Admit(*context, "assay.v1.CatalogService/GetServer");
  if (call->admitted().ok()) {
    response->set_version(facts_.version);
    response->set_mode(facts_.production ? "production" : "sandbox");
    response->set_image_certificate(ToText(facts_.image_certificate));
    response->set_caller(call->caller().uri);
    for (const access::Role role : call->caller().roles)
      response->add_roles(std::string(RoleName(role)));
    // Where the grant names no line the caller stands for one by itself.
    if (call->caller().line != call->caller().uri) response->set_line(call->caller().line);
  }
  reactor->Finish(call->End(call->admitted()));
  return reactor;
}

}  // namespace assay::rpc
