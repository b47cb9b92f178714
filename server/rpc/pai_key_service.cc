#include "server/rpc/pai_key_service.h"

#include "server/rpc/unary.h"

namespace assay::rpc {

PaiKeyService::PaiKeyService(const FrontDesk& desk, BlockingPool& pool,
                             authority::Authority& authority)
    : Readable(desk), pool_(pool), authority_(authority) {
  Serve("AdoptPai", &PaiKeyService::AdoptPai);
}

grpc::ServerUnaryReactor* PaiKeyService::AdoptPai(grpc::CallbackServerContext* context,
                                                  const v1::AdoptPaiRequest* request,
                                                  v1::Pai* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.PaiKeyService/AdoptPai", "", response,
      [this, request](const Call& call) { return authority_.AdoptPai(call.caller(), *request); });
}

}  // namespace assay::rpc
