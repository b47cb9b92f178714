// Requests that cannot be read are refused like any other. gRPC by itself answers UNIMPLEMENTED to
// a call of one request, without a word, and takes such a message of a stream for the stream's end.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/front_desk.h"

namespace assay::rpc {

// REQUEST_MALFORMED.
absl::Status Unreadable();

// A message of a stream; `bytes` is empty afterwards. Unreadable() leaves in `message` what was
// read till then.
template <class Message>
absl::Status ReadMessage(grpc::ByteBuffer& bytes, Message& message) {
  const bool read = grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok();
  return read ? absl::OkStatus() : Unreadable();
}

// What a call is told whose request cannot be read: whoever may not make it learns that first.
grpc::Status RefuseUnreadable(const FrontDesk& desk, const grpc::CallbackServerContext& context,
                              std::string_view method);

// gRPC's own `Way` of running a method, twice: one serves, the other refuses what cannot be read.
template <class Way>
class ReadableMethod final : public grpc::internal::MethodHandler {
 public:
  ReadableMethod(Way serve, Way refuse) : serve_(std::move(serve)), refuse_(std::move(refuse)) {}

  void* Deserialize(grpc_call* call, grpc_byte_buffer* bytes, grpc::Status* status,
                    void** messages) override {
    return serve_.Deserialize(call, bytes, status, messages);
  }
  void RunHandler(const HandlerParameter& call) override {
    if (call.status.ok()) return serve_.RunHandler(call);
    refuse_.RunHandler({call.call, call.server_context, call.request, grpc::Status::OK,
                        call.internal_data, call.call_requester});
  }

 private:
  Way serve_, refuse_;
};

template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

// A service of the contract, which names each of its methods to Serve as it is made. The desk
// outlives it, and it outlives the server.
template <class Contract>
class Readable : public Contract::CallbackService {
 protected:
  using Context = grpc::CallbackServerContext;

  explicit Readable(const FrontDesk& desk) : desk_(desk) {}

  template <class Self, class Request, class Response>
  void Serve(const char* name,
             grpc::ServerUnaryReactor* (Self::*method)(Context*, const Request*, Response*),
             grpc::MessageAllocator<Request, Response>* messages = nullptr) {
    using Way = grpc::internal::CallbackUnaryHandler<Request, Response>;
    Way serve([self = static_cast<Self*>(this), method](Context* context, const Request* request,
                                                        Response* response) {
      return (self->*method)(context, request, response);
    });
    serve.SetMessageAllocator(messages);
    Way refuse([this, full = FullName(name)](Context* context, const Request*, Response*) {
      grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
      reactor->Finish(RefuseUnreadable(desk_, *context, full));
      return reactor;
    });
    Mark(name, new ReadableMethod<Way>(std::move(serve), std::move(refuse)));
  }

  template <class Self, class Request, class Response>
  void Serve(const char* name,
             grpc::ServerWriteReactor<Response>* (Self::*method)(Context*, const Request*)) {
    using Way = grpc::internal::CallbackServerStreamingHandler<Request, Response>;
    Way serve([self = static_cast<Self*>(this), method](Context* context, const Request* request) {
      return (self->*method)(context, request);
    });
    Way refuse([this, full = FullName(name)](Context* context, const Request*) {
      return new RefusedStream<Response>(RefuseUnreadable(desk_, *context, full));
    });
    Mark(name, new ReadableMethod<Way>(std::move(serve), std::move(refuse)));
  }

  // Streams of requests read their messages by themselves, with ReadMessage.
  template <class Self, class Response>
  void Serve(const char* name,
             grpc::ServerReadReactor<grpc::ByteBuffer>* (Self::*method)(Context*, Response*)) {
    Mark(name, new grpc::internal::CallbackClientStreamingHandler<grpc::ByteBuffer, Response>(
                   [self = static_cast<Self*>(this), method](Context* context, Response* response) {
                     return (self->*method)(context, response);
                   }));
  }

  template <class Self, class Response>
  void Serve(const char* name,
             grpc::ServerBidiReactor<grpc::ByteBuffer, Response>* (Self::*method)(Context*)) {
    Mark(name, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, Response>(
                   [self = static_cast<Self*>(this), method](Context* context) {
                     return (self->*method)(context);
                   }));
  }

  const FrontDesk& desk_;

 private:
  static std::string FullName(const char* name) {
    return std::string(Contract::service_full_name()) + "/" + name;
  }
  void Mark(const char* name, grpc::internal::MethodHandler* method) {
    const auto* contract = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        Contract::service_full_name());
    this->MarkMethodCallback(contract->FindMethodByName(name)->index(), method);
  }
};

}  // namespace assay::rpc
