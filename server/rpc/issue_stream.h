// One IssueStream: reads only as fast as it can issue, answers in the order the identities are
// sealed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "grpcpp/support/server_callback.h"
#include "server/rpc/issuance_service.h"

namespace assay::rpc {

// Owns itself: made when the stream begins, gone in OnDone, which gRPC calls once Finish was called
// and every read and write has ended; Finish is called only when no item is under way and no
// batch is being answered, so no answer finds it gone.
class IssueStream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, v1::IssueStreamResponse> {
 public:
  using Gone = std::function<void(IssueStream*)>;
  IssueStream(const FrontDesk& desk, const IssuanceCalls& calls,
              grpc::CallbackServerContext* context, Gone gone);

  void Start();
  // No further item is read; the stream ends with DRAINING when those under way have been answered.
  void Drain();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Next {
    bool read = false, finish = false;
    const v1::IssueStreamResponse* write = nullptr;  // stays where it is until it is written
    bool more = false;  // answers wait behind the one that is written, which need not leave at once
  };
  void Answer(const std::shared_ptr<Call>& item, std::string ticket,
              absl::StatusOr<v1::IssueResponse> result);
  // Decides under the lock what to start; Do starts it without the lock. Nothing of the stream is
  // touched after the last start, for the stream may end on another thread by then.
  Next DecideLocked();
  // Nobody will read them: what they hold is wiped.
  void DropAnswers();
  void Do(Next next);

  const FrontDesk& desk_;
  const IssuanceCalls& calls_;
  grpc::CallbackServerContext* const context_;
  const Gone gone_;
  const std::shared_ptr<Call> call_;
  const size_t limit_;

  grpc::ByteBuffer received_;  // the read under way
  std::mutex mutex_;
  std::deque<v1::IssueStreamResponse> answers_;  // front: the write under way
  size_t in_flight_ = 0;
  bool begun_ = false;      // an answer has been written
  bool gathering_ = false;  // a thread answers a batch, writes at its end, and keeps the stream
  bool reading_ = false, writing_ = false, read_ended_ = false, broken_ = false, finished_ = false;
  absl::Status end_;
};

}  // namespace assay::rpc
