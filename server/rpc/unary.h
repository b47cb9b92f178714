// The shape of a call that waits for the store or the token.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "base/refusal.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/front_desk.h"
#include "server/rpc/wipe_reply.h"

namespace assay::rpc {

// Admits the call, runs `work(call)` -> absl::StatusOr<Response> on the pool, and answers. The
// request and the response outlive the work: gRPC keeps them until Finish.
template <class Response, class Work>
grpc::ServerUnaryReactor* ServeBlocking(const FrontDesk& desk, BlockingPool& pool,
                                        grpc::CallbackServerContext* context,
                                        std::string_view method, std::string_view lot,
                                        Response* response, Work work) {
  grpc::ServerUnaryReactor* reactor = ReactorFor(context, response);
  std::shared_ptr<Call> call = desk.Admit(*context, method);
  call->About("", lot);
  if (!call->admitted().ok()) {
    reactor->Finish(call->End(call->admitted()));
    return reactor;
  }
  const bool accepted = pool.Run([reactor, call, response, work = std::move(work)] {
    if (call->deadline().Passed()) {
      reactor->Finish(
          call->End(Refuse(Reason::OVERLOADED, "the call waited longer than its deadline")));
      return;
    }
    absl::StatusOr<Response> result = work(*call);
    if (result.ok()) *response = *std::move(result);
    reactor->Finish(call->End(result.status()));
  });
  if (!accepted)
    reactor->Finish(call->End(Refuse(Reason::OVERLOADED, "too many calls wait already")));
  return reactor;
}

}  // namespace assay::rpc
