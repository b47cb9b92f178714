#include "server/rpc/system_service.h"

#include <memory>

namespace assay::rpc {

SystemService::SystemService(const FrontDesk& desk, Tell tell)
    : Readable(desk), tell_(std::move(tell)) {
  Serve("GetSystem", &SystemService::GetSystem);
}

grpc::ServerUnaryReactor* SystemService::GetSystem(grpc::CallbackServerContext* context,
                                                   const v1::GetSystemRequest* /*request*/,
                                                   v1::SystemStatus* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<Call> call = desk_.Admit(*context, "assay.v1.SystemService/GetSystem");
  if (call->admitted().ok()) {
    *response = tell_();
    response->set_caller(call->caller().uri);
    for (const access::Role role : call->caller().roles)
      response->add_roles(std::string(RoleName(role)));
  }
  reactor->Finish(call->End(call->admitted()));
  return reactor;
}

}  // namespace assay::rpc
