#include "server/rpc/authority_service.h"

#include "server/rpc/unary.h"

namespace assay::rpc {

AuthorityService::AuthorityService(const FrontDesk& desk, BlockingPool& pool,
                                   authority::Authority& authority)
    : desk_(desk), pool_(pool), authority_(authority) {}

grpc::ServerUnaryReactor* AuthorityService::CreatePai(grpc::CallbackServerContext* context,
                                                      const v1::CreatePaiRequest* request,
                                                      v1::Pai* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/CreatePai", "", response,
      [this, request](const Call& call) { return authority_.CreatePai(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::InstallPai(grpc::CallbackServerContext* context,
                                                       const v1::InstallPaiRequest* request,
                                                       v1::Pai* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/InstallPai", "", response,
      [this, request](const Call& call) { return authority_.InstallPai(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::SignSandboxPai(grpc::CallbackServerContext* context,
                                                           const v1::SignSandboxPaiRequest* request,
                                                           v1::Pai* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/SignSandboxPai", "",
                       response, [this, request](const Call& call) {
                         return authority_.SignSandboxPai(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* AuthorityService::ActivatePai(grpc::CallbackServerContext* context,
                                                        const v1::ActivatePaiRequest* request,
                                                        v1::Pai* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/ActivatePai", "", response,
                       [this, request](const Call& call) {
                         return authority_.ActivatePai(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* AuthorityService::RetirePai(grpc::CallbackServerContext* context,
                                                      const v1::RetirePaiRequest* request,
                                                      v1::Pai* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/RetirePai", "", response,
      [this, request](const Call& call) { return authority_.RetirePai(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::GetPai(grpc::CallbackServerContext* context,
                                                   const v1::GetPaiRequest* request,
                                                   v1::Pai* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/GetPai", "", response,
      [this, request](const Call& call) { return authority_.GetPai(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::ListPais(grpc::CallbackServerContext* context,
                                                     const v1::ListPaisRequest* request,
                                                     v1::ListPaisResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/ListPais", "", response,
      [this, request](const Call& call) { return authority_.ListPais(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::SignSandboxDeclaration(
    grpc::CallbackServerContext* context, const v1::SignSandboxDeclarationRequest* request,
    v1::SignSandboxDeclarationResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/SignSandboxDeclaration",
                       "", response, [this, request](const Call& call) {
                         return authority_.SignSandboxDeclaration(call.caller(), *request);
                       });
}

}  // namespace assay::rpc
