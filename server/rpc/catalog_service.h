// assay.v1.CatalogService over lot::Catalog.
#pragma once

#include <string>

#include "assay/v1/catalog.grpc.pb.h"
#include "server/lot/catalog.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/page_token.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

// What GetServer tells, besides the caller's own grants.
struct ServerFacts {
  std::string version;
  bool production = false;
  Bytes image_certificate;  // DER
};

class CatalogService final : public Readable<v1::CatalogService> {
 public:
  CatalogService(const FrontDesk& desk, BlockingPool& pool, lot::Catalog& catalog,
                 PageTokens tokens, ServerFacts facts);

  grpc::ServerUnaryReactor* ApplyProduct(grpc::CallbackServerContext* context,
                                         const v1::ApplyProductRequest* request,
                                         v1::Product* response) override;
  grpc::ServerUnaryReactor* GetProduct(grpc::CallbackServerContext* context,
                                       const v1::GetProductRequest* request,
                                       v1::Product* response) override;
  grpc::ServerUnaryReactor* ListProducts(grpc::CallbackServerContext* context,
                                         const v1::ListProductsRequest* request,
                                         v1::ListProductsResponse* response) override;
  grpc::ServerUnaryReactor* OpenLot(grpc::CallbackServerContext* context,
                                    const v1::OpenLotRequest* request, v1::Lot* response) override;
  grpc::ServerUnaryReactor* RaiseLot(grpc::CallbackServerContext* context,
                                     const v1::RaiseLotRequest* request,
                                     v1::Lot* response) override;
  grpc::ServerUnaryReactor* CloseLot(grpc::CallbackServerContext* context,
                                     const v1::CloseLotRequest* request,
                                     v1::Lot* response) override;
  grpc::ServerUnaryReactor* GetLot(grpc::CallbackServerContext* context,
                                   const v1::GetLotRequest* request, v1::Lot* response) override;
  grpc::ServerUnaryReactor* ListLots(grpc::CallbackServerContext* context,
                                     const v1::ListLotsRequest* request,
                                     v1::ListLotsResponse* response) override;
  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::Server* response) override;

 private:
  BlockingPool& pool_;
  lot::Catalog& catalog_;
  const PageTokens tokens_;
  const ServerFacts facts_;
};

}  // namespace assay::rpc
