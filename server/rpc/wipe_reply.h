// Replies and requests that hold secrets, wiped once gRPC has sent or dropped them.
#pragma once

#include <functional>
#include <utility>

#include "assay/v1/audit.pb.h"
#include "assay/v1/issuance.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace assay::rpc {

void WipeReply(v1::IssueResponse& reply);
void WipeReply(v1::ManifestRow& reply);  // with its stages
void WipeReply(v1::ListDevicesResponse& reply);

// gRPC keeps request and reply until the call is done; then `wipe` runs.
class WipingReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit WipingReactor(std::function<void()> wipe) : wipe_(std::move(wipe)) {}
  void OnDone() override {
    wipe_();
    delete this;
  }

 private:
  const std::function<void()> wipe_;
};

// The reactor of a unary call: it wipes a reply that WipeReply knows.
template <class Response>
grpc::ServerUnaryReactor* ReactorFor(grpc::CallbackServerContext* context, Response* response) {
  if constexpr (requires { WipeReply(*response); }) {
    return new WipingReactor([response] { WipeReply(*response); });
  } else {
    return context->DefaultReactor();
  }
}

}  // namespace assay::rpc
