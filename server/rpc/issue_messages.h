// The messages of a call that yields an identity, held for gRPC and wiped when it is done.
#pragma once

#include "assay/v1/issuance.pb.h"
#include "grpcpp/support/message_allocator.h"
#include "server/issue/wipe.h"
#include "server/rpc/wipe_reply.h"

namespace assay::rpc {

// With an allocator of its own a method's messages are wiped where gRPC lets go of them, and its
// calls can use gRPC's default reactor. A reactor with an OnDone of its own would cost each call a
// task on gRPC's executor, whose wake-up is dearer than the wiping. Thread-safe; it outlives the
// server.
template <class Request>
class IssueMessages final : public grpc::MessageAllocator<Request, v1::IssueResponse> {
 public:
  grpc::MessageHolder<Request, v1::IssueResponse>* AllocateMessages() override {
    return new Holder();
  }

 private:
  class Holder final : public grpc::MessageHolder<Request, v1::IssueResponse> {
   public:
    Holder() {
      this->set_request(&request_);
      this->set_response(&response_);
    }
    void Release() override {
      if constexpr (requires { issue::WipeRequest(request_); }) issue::WipeRequest(request_);
      WipeReply(response_);
      delete this;
    }

   private:
    Request request_;
    v1::IssueResponse response_;
  };
};

}  // namespace assay::rpc
