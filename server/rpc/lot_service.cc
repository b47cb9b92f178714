#include "server/rpc/lot_service.h"

#include "server/rpc/unary.h"

namespace assay::rpc {

LotService::LotService(const FrontDesk& desk, BlockingPool& pool, lot::LotDesk& lots)
    : Readable(desk), pool_(pool), lots_(lots) {
  Serve("GrantLease", &LotService::GrantLease);
  Serve("ReleaseLease", &LotService::ReleaseLease);
  Serve("ListLeases", &LotService::ListLeases);
  Serve("ReconcileLot", &LotService::ReconcileLot);
}

grpc::ServerUnaryReactor* LotService::GrantLease(grpc::CallbackServerContext* context,
                                                 const v1::GrantLeaseRequest* request,
                                                 v1::LotLease* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LotService/GrantLease", request->lot(), response,
      [this, request](const Call& call) { return lots_.GrantLease(call.caller(), *request); });
}

grpc::ServerUnaryReactor* LotService::ReleaseLease(grpc::CallbackServerContext* context,
                                                   const v1::ReleaseLeaseRequest* request,
                                                   v1::LotLease* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LotService/ReleaseLease", request->lot(), response,
      [this, request](const Call& call) { return lots_.ReleaseLease(call.caller(), *request); });
}

grpc::ServerUnaryReactor* LotService::ListLeases(grpc::CallbackServerContext* context,
                                                 const v1::ListLeasesRequest* request,
                                                 v1::ListLeasesResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LotService/ListLeases", request->lot(), response,
      [this, request](const Call& call) { return lots_.ListLeases(call.caller(), *request); });
}

grpc::ServerUnaryReactor* LotService::ReconcileLot(grpc::CallbackServerContext* context,
                                                   const v1::ReconcileLotRequest* request,
                                                   v1::ReconcileLotResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LotService/ReconcileLot", request->lot(), response,
      [this, request](const Call& call) { return lots_.ReconcileLot(call.caller(), *request); });
}

}  // namespace assay::rpc
