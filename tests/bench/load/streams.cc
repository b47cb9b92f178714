#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"
#include "client/whole_images.h"
#include "tests/bench/load/asking.h"

namespace assay::bench {
namespace {

// One stream. A hold keeps gRPC from ending it between a write that is decided and its start: it is
// let go when the answers have ended and no write, nor the close, is under way.
class Stream final : public grpc::ClientBidiReactor<v1::IssueRequest, v1::IssueStreamResponse> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, const Take& take)
      : stub_(v1::IssuanceService::NewStub(channel)), take_(take) {
    client::TakeShortImages(context_);
    stub_->async()->IssueStream(&context_, this);
    AddHold();
    StartRead(&answer_);
    StartCall();
  }

  void Ask(Question question) {
    std::unique_lock lock(mutex_);
    if (done_) {
      lock.unlock();
      take_(question, fault_);
      return;
    }
    const std::string ticket = question.request.ticket();
    const Question& kept = open_.emplace(ticket, std::move(question)).first->second;
    if (ended_) return;  // OnDone answers it
    to_write_.push_back(&kept.request);
    if (writing_) return;
    writing_ = true;
    lock.unlock();
    WriteFront();
  }

  void End() {
    std::unique_lock lock(mutex_);
    closing_ = true;
    const bool close = !writing_ && !ended_;
    writing_ = writing_ || close;
    lock.unlock();
    if (close) StartWritesDone();
    lock.lock();
    changed_.wait(lock, [&] { return gone_; });
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      Answered();
      StartRead(&answer_);
      return;
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (!writing_) RemoveHold();
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    to_write_.pop_front();
    if (ended_ || !ok) to_write_.clear();
    if (to_write_.empty()) {
      const bool close = closing_ && !ended_;
      writing_ = close;
      if (ended_) RemoveHold();
      lock.unlock();
      if (close) StartWritesDone();
      return;
    }
    lock.unlock();
    WriteFront();
  }

  void OnWritesDoneDone(bool) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ended_) RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    std::unique_lock lock(mutex_);
    fault_ = "the stream ended: " + status.error_message();
    done_ = true;
    const auto open = std::move(open_);
    open_.clear();
    lock.unlock();
    for (const auto& [ticket, question] : open) take_(question, fault_);
    lock.lock();
    gone_ = true;
    changed_.notify_all();
  }

 private:
  // Only by whoever has set writing_. What is not the last that waits need not leave at once.
  void WriteFront() {
    std::unique_lock lock(mutex_);
    const v1::IssueRequest* request = to_write_.front();
    grpc::WriteOptions options;
    if (to_write_.size() > 1) options.set_buffer_hint();
    lock.unlock();
    StartWrite(request, options);
  }

  void Answered() {
    std::unique_lock lock(mutex_);
    const auto found = open_.find(answer_.ticket());
    if (found == open_.end()) return;
    const Question question = std::move(found->second);
    open_.erase(found);
    lock.unlock();
    take_(question, answer_.has_issued()
                        ? FaultOf(*answer_.mutable_issued(), question.request.ticket())
                        : "refused: " + answer_.refused().message());
  }

  const std::unique_ptr<v1::IssuanceService::Stub> stub_;
  const Take& take_;
  grpc::ClientContext context_;
  v1::IssueStreamResponse answer_;  // of the read under way
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Question> open_;
  std::deque<const v1::IssueRequest*> to_write_;  // of open_; front: the write under way
  bool writing_ = false, closing_ = false, ended_ = false;
  bool done_ = false;  // nothing more is kept in open_
  bool gone_ = false;  // OnDone is through
  std::string fault_;
};

class Streams final : public Asking {
 public:
  Streams(const Channels& channels, const Take& take) {
    for (const auto& channel : channels) {
      streams_.push_back(std::make_unique<Stream>(channel, take));
    }
  }

  void Ask(Question question) override {
    streams_[next_++ % streams_.size()]->Ask(std::move(question));
  }

  void End() override {
    for (const auto& stream : streams_) stream->End();
  }

 private:
  std::vector<std::unique_ptr<Stream>> streams_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace

std::unique_ptr<Asking> AskByStreams(const Channels& channels, const Take& take) {
  return std::make_unique<Streams>(channels, take);
}

}  // namespace assay::bench
