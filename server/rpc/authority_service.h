// assay.v1.AuthorityService over authority::Authority.
#pragma once

#include "assay/v1/authority.grpc.pb.h"
#include "server/authority/authority.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/front_desk.h"

namespace assay::rpc {

class AuthorityService final : public v1::AuthorityService::CallbackService {
 public:
  AuthorityService(const FrontDesk& desk, BlockingPool& pool, authority::Authority& authority);

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

 private:
  const FrontDesk& desk_;
  BlockingPool& pool_;
  authority::Authority& authority_;
};

}  // namespace assay::rpc
