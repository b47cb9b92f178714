// assay.v1.AuthorityService over authority::Authority and revoke::Revocation.
#pragma once

#include "assay/v1/authority.grpc.pb.h"
#include "server/authority/authority.h"
#include "server/revoke/revocation.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class AuthorityService final : public Readable<v1::AuthorityService> {
 public:
  AuthorityService(const FrontDesk& desk, BlockingPool& pool, authority::Authority& authority,
                   revoke::Revocation& revocation);

  grpc::ServerUnaryReactor* CreatePai(grpc::CallbackServerContext* context,
                                      const v1::CreatePaiRequest* request,
                                      v1::Pai* response) override;
  grpc::ServerUnaryReactor* InstallPai(grpc::CallbackServerContext* context,
                                       const v1::InstallPaiRequest* request,
                                       v1::Pai* response) override;
  grpc::ServerUnaryReactor* SignSandboxPai(grpc::CallbackServerContext* context,
                                           const v1::SignSandboxPaiRequest* request,
                                           v1::Pai* response) override;
  grpc::ServerUnaryReactor* ActivatePai(grpc::CallbackServerContext* context,
                                        const v1::ActivatePaiRequest* request,
                                        v1::Pai* response) override;
  grpc::ServerUnaryReactor* RetirePai(grpc::CallbackServerContext* context,
                                      const v1::RetirePaiRequest* request,
                                      v1::Pai* response) override;
  grpc::ServerUnaryReactor* GetPai(grpc::CallbackServerContext* context,
                                   const v1::GetPaiRequest* request, v1::Pai* response) override;
  grpc::ServerUnaryReactor* ListPais(grpc::CallbackServerContext* context,
                                     const v1::ListPaisRequest* request,
                                     v1::ListPaisResponse* response) override;
  grpc::ServerUnaryReactor* SignSandboxDeclaration(
      grpc::CallbackServerContext* context, const v1::SignSandboxDeclarationRequest* request,
      v1::SignSandboxDeclarationResponse* response) override;

  grpc::ServerUnaryReactor* RevokeDevice(grpc::CallbackServerContext* context,
                                         const v1::RevokeDeviceRequest* request,
                                         v1::RevokeResponse* response) override;
  grpc::ServerUnaryReactor* RevokeLot(grpc::CallbackServerContext* context,
                                      const v1::RevokeLotRequest* request,
                                      v1::RevokeResponse* response) override;
  grpc::ServerUnaryReactor* RevokePai(grpc::CallbackServerContext* context,
                                      const v1::RevokePaiRequest* request,
                                      v1::RevokeResponse* response) override;
  grpc::ServerUnaryReactor* DelegateCrl(grpc::CallbackServerContext* context,
                                        const v1::DelegateCrlRequest* request,
                                        v1::CrlIssuer* response) override;
  grpc::ServerUnaryReactor* GetCrl(grpc::CallbackServerContext* context,
                                   const v1::GetCrlRequest* request, v1::Crl* response) override;
  grpc::ServerUnaryReactor* ListCrlIssuers(grpc::CallbackServerContext* context,
                                           const v1::ListCrlIssuersRequest* request,
                                           v1::ListCrlIssuersResponse* response) override;
  grpc::ServerUnaryReactor* GetRevocationSet(grpc::CallbackServerContext* context,
                                             const v1::GetRevocationSetRequest* request,
                                             v1::GetRevocationSetResponse* response) override;
  grpc::ServerUnaryReactor* GetDistributionPoints(
      grpc::CallbackServerContext* context, const v1::GetDistributionPointsRequest* request,
      v1::GetDistributionPointsResponse* response) override;

 private:
  BlockingPool& pool_;
  authority::Authority& authority_;
  revoke::Revocation& revocation_;
};

}  // namespace assay::rpc
