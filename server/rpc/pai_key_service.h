// assay.v1.PaiKeyService over authority::Authority.
#pragma once

#include "assay/v1/pai_key.grpc.pb.h"
#include "server/authority/authority.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class PaiKeyService final : public Readable<v1::PaiKeyService> {
 public:
  PaiKeyService(const FrontDesk& desk, BlockingPool& pool, authority::Authority& authority);

  grpc::ServerUnaryReactor* AdoptPai(grpc::CallbackServerContext* context,
                                     const v1::AdoptPaiRequest* request,
                                     v1::Pai* response) override;

 private:
  BlockingPool& pool_;
  authority::Authority& authority_;
};

}  // namespace assay::rpc
