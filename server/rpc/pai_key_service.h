// assay.v1.PaiKeyService over authority::Authority.
#pragma once

#include "assay/v1/pai_key.grpc.pb.h"
#include "server/authority/authority.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/front_desk.h"

namespace assay::rpc {

class PaiKeyService final : public v1::PaiKeyService::CallbackService {
 public:
  PaiKeyService(const FrontDesk& desk, BlockingPool& pool, authority::Authority& authority);

  grpc::ServerUnaryReactor* AdoptPai(grpc::CallbackServerContext* context,
                                     const v1::AdoptPaiRequest* request,
                                     v1::Pai* response) override;

 private:
  const FrontDesk& desk_;
  BlockingPool& pool_;
  authority::Authority& authority_;
};

}  // namespace assay::rpc
