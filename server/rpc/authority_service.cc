#include "server/rpc/authority_service.h"

#include "server/rpc/unary.h"

namespace assay::rpc {

AuthorityService::AuthorityService(const FrontDesk& desk, BlockingPool& pool,
                                   authority::Authority& authority, revoke::Revocation& revocation)
    : Readable(desk), pool_(pool), authority_(authority), revocation_(revocation) {
  Serve("CreatePai", &AuthorityService::CreatePai);
  Serve("InstallPai", &AuthorityService::InstallPai);
  Serve("SignSandboxPai", &AuthorityService::SignSandboxPai);
  Serve("ActivatePai", &AuthorityService::ActivatePai);
  Serve("RetirePai", &AuthorityService::RetirePai);
  Serve("GetPai", &AuthorityService::GetPai);
  Serve("ListPais", &AuthorityService::ListPais);
  Serve("SignSandboxDeclaration", &AuthorityService::SignSandboxDeclaration);
  Serve("RevokeDevice", &AuthorityService::RevokeDevice);
  Serve("RevokeLot", &AuthorityService::RevokeLot);
  Serve("RevokePai", &AuthorityService::RevokePai);
  Serve("DelegateCrl", &AuthorityService::DelegateCrl);
  Serve("GetCrl", &AuthorityService::GetCrl);
  Serve("ListCrlIssuers", &AuthorityService::ListCrlIssuers);
  Serve("GetRevocationSet", &AuthorityService::GetRevocationSet);
  Serve("GetDistributionPoints", &AuthorityService::GetDistributionPoints);
}

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

grpc::ServerUnaryReactor* AuthorityService::RevokeDevice(grpc::CallbackServerContext* context,
                                                         const v1::RevokeDeviceRequest* request,
                                                         v1::RevokeResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/RevokeDevice", "",
                       response, [this, request](const Call& call) {
                         return revocation_.RevokeDevice(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* AuthorityService::RevokeLot(grpc::CallbackServerContext* context,
                                                      const v1::RevokeLotRequest* request,
                                                      v1::RevokeResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/RevokeLot", request->name(), response,
      [this, request](const Call& call) { return revocation_.RevokeLot(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::RevokePai(grpc::CallbackServerContext* context,
                                                      const v1::RevokePaiRequest* request,
                                                      v1::RevokeResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/RevokePai", "", response,
      [this, request](const Call& call) { return revocation_.RevokePai(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::DelegateCrl(grpc::CallbackServerContext* context,
                                                        const v1::DelegateCrlRequest* request,
                                                        v1::CrlIssuer* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/DelegateCrl", "", response,
                       [this, request](const Call& call) {
                         return revocation_.DelegateCrl(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* AuthorityService::GetCrl(grpc::CallbackServerContext* context,
                                                   const v1::GetCrlRequest* request,
                                                   v1::Crl* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/GetCrl", "", response,
      [this, request](const Call& call) { return revocation_.GetCrl(call.caller(), *request); });
}

grpc::ServerUnaryReactor* AuthorityService::ListCrlIssuers(grpc::CallbackServerContext* context,
                                                           const v1::ListCrlIssuersRequest*,
                                                           v1::ListCrlIssuersResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/ListCrlIssuers", "", response,
      [this](const Call& call) { return revocation_.ListCrlIssuers(call.caller()); });
}

grpc::ServerUnaryReactor* AuthorityService::GetRevocationSet(
    grpc::CallbackServerContext* context, const v1::GetRevocationSetRequest*,
    v1::GetRevocationSetResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.AuthorityService/GetRevocationSet", "", response,
      [this](const Call& call) { return revocation_.GetRevocationSet(call.caller()); });
}

grpc::ServerUnaryReactor* AuthorityService::GetDistributionPoints(
    grpc::CallbackServerContext* context, const v1::GetDistributionPointsRequest* request,
    v1::GetDistributionPointsResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuthorityService/GetDistributionPoints", "",
                       response, [this, request](const Call& call) {
                         return revocation_.GetDistributionPoints(call.caller(), *request);
                       });
}

}  // namespace assay::rpc
