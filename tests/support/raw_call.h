// A call whose messages a test writes as bytes, as no generated client would.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

namespace assay::test_support {

// Not thread-safe; each step waits for its end.
class RawCall {
 public:
  // `method` as "assay.v1.IssuanceService/Issue".
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    call_ = stub_.PrepareCall(&context_, "/" + method, &steps_);
    call_->StartCall(nullptr);
    Await();
  }
  ~RawCall() {
    if (!finished_) {
      context_.TryCancel();
      Finish();
    }
    steps_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (steps_.Next(&tag, &ok)) {
    }
  }

  bool Write(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    return Await();
  }
  void WritesDone() {
    call_->WritesDone(nullptr);
    Await();
  }
  // False at the end of the stream.
  template <class Message>
  bool Read(Message* message) {
    grpc::ByteBuffer bytes;
    call_->Read(&bytes, nullptr);
    return Await() && grpc::SerializationTraits<Message>::Deserialize(&bytes, message).ok();
  }
  grpc::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Await();
    finished_ = true;
    return status;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return steps_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue steps_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

}  // namespace assay::test_support
