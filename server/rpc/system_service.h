// assay.v1.SystemService: the whole system's state. Never waits for the store or the token.
#pragma once

#include <functional>

#include "assay/v1/system.grpc.pb.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class SystemService final : public Readable<v1::SystemService> {
 public:
  // All but who the caller is; must not block.
  using Tell = std::function<v1::SystemStatus()>;
  SystemService(const FrontDesk& desk, Tell tell);

  grpc::ServerUnaryReactor* GetSystem(grpc::CallbackServerContext* context,
                                      const v1::GetSystemRequest* request,
                                      v1::SystemStatus* response) override;

 private:
  const Tell tell_;
};

}  // namespace assay::rpc
