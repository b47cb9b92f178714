#include <grpcpp/completion_queue.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"
#include "client/whole_images.h"
#include "tests/bench/load/asking.h"

namespace assay::bench {
namespace {

// Whether this thread is the one that takes what the streams' queue brings.
thread_local bool takes_events = false;

// One stream, over a queue that one thread takes events from. It has one read and one write under
// way at most; the lock is for those who ask on other threads.
class Stream {
 public:
  // What the queue brings: a step of one of the streams.
  struct Event {
    void (Stream::*step)(bool ok);
    Stream* stream;
  };

  Stream(const std::shared_ptr<grpc::Channel>& channel, grpc::CompletionQueue& queue,
         const Take& take)
      : stub_(v1::IssuanceService::NewStub(channel)), take_(take) {
    client::TakeShortImages(context_);
    stream_ = stub_->PrepareAsyncIssueStream(&context_, &queue);
    stream_->StartCall(&began_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Ask(Question question) {
    std::unique_lock lock(mutex_);
    if (gone_) {
      lock.unlock();
      take_(question, fault_);
      return;
    }
    const std::string ticket = question.request.ticket();
    const Question& kept = open_.emplace(ticket, std::move(question)).first->second;
    to_write_.push_back(&kept.request);
    // What several answers bring about leaves together, once they are all taken.
    if (!takes_events) WriteLocked();
  }

  // Writes what was asked since.
  void Flush() {
    const std::lock_guard lock(mutex_);
    WriteLocked();
  }

  void Cancel() {
    const std::lock_guard lock(mutex_);
    if (!gone_) context_.TryCancel();
  }

  void End() {
    std::unique_lock lock(mutex_);
    closing_ = true;
    WriteLocked();
    changed_.wait(lock, [&] { return told_; });
  }

 private:
  void Began(bool ok) {
    const std::lock_guard lock(mutex_);
    ready_ = ok;
    if (ok) {
      stream_->Read(&answer_, &read_);
      WriteLocked();
    } else {
      stream_->Finish(&status_, &finished_);
    }
  }

  void Read(bool ok) {
    if (ok) {
      Answered();
      stream_->Read(&answer_, &read_);
      return;
    }
    const std::lock_guard lock(mutex_);
    ready_ = false;
    if (!writing_) stream_->Finish(&status_, &finished_);
  }

  void Written(bool) {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!to_write_.empty()) to_write_.pop_front();
    WriteOrFinishLocked();
  }

  void Closed(bool) {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    WriteOrFinishLocked();
  }

  void Finished(bool) {
    std::unique_lock lock(mutex_);
    fault_ = "the stream ended: " + status_.error_message();
    const auto open = std::move(open_);
    open_.clear();
    to_write_.clear();
    gone_ = true;
    lock.unlock();
    for (const auto& [ticket, question] : open) take_(question, fault_);
    lock.lock();
    told_ = true;
    changed_.notify_all();
  }

  void WriteOrFinishLocked() {
    if (ready_) {
      WriteLocked();
    } else {
      stream_->Finish(&status_, &finished_);
    }
  }

  // What is not the last that waits need not leave at once.
  void WriteLocked() {
    if (!ready_ || writing_) return;
    if (!to_write_.empty()) {
      writing_ = true;
      grpc::WriteOptions options;
      if (to_write_.size() > 1) options.set_buffer_hint();
      stream_->Write(*to_write_.front(), options, &written_);
    } else if (closing_ && !closed_) {
      writing_ = closed_ = true;
      stream_->WritesDone(&closed_event_);
    }
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

  Event began_{&Stream::Began, this}, read_{&Stream::Read, this}, written_{&Stream::Written, this},
      closed_event_{&Stream::Closed, this}, finished_{&Stream::Finished, this};
  const std::unique_ptr<v1::IssuanceService::Stub> stub_;
  const Take& take_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::IssueRequest, v1::IssueStreamResponse>> stream_;
  v1::IssueStreamResponse answer_;  // of the read under way
  grpc::Status status_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Question> open_;
  std::deque<const v1::IssueRequest*> to_write_;  // of open_; front: the write under way
  bool ready_ = false;                            // begun, and its answers have not ended
  bool writing_ = false;                          // a write, or the close, is under way
  bool closing_ = false, closed_ = false;
  bool gone_ = false;  // nothing more is kept in open_
  bool told_ = false;  // nor is anything of it used any more
  std::string fault_;
};

class Streams final : public Asking {
 public:
  Streams(const Channels& channels, const Take& take) {
    for (const auto& channel : channels) {
      streams_.push_back(std::make_unique<Stream>(channel, queue_, take));
    }
    thread_ = std::thread([this] { TakeEvents(); });
  }
  ~Streams() override {
    // After a fault nobody may have ended them.
    for (const auto& stream : streams_) stream->Cancel();
    End();
    queue_.Shutdown();
    thread_.join();
  }

  void Ask(Question question) override {
    streams_[next_++ % streams_.size()]->Ask(std::move(question));
  }

  void End() override {
    for (const auto& stream : streams_) stream->End();
  }

 private:
  void TakeEvents() {
    takes_events = true;
    void* tag = nullptr;
    bool ok = false;
    const auto at_once = gpr_time_0(GPR_CLOCK_MONOTONIC);
    while (true) {
      // All that is there, then what it led to is written, then the next is awaited.
      const auto next = queue_.AsyncNext(&tag, &ok, at_once);
      if (next == grpc::CompletionQueue::SHUTDOWN) return;
      if (next == grpc::CompletionQueue::TIMEOUT) {
        for (const auto& stream : streams_) stream->Flush();
        if (!queue_.Next(&tag, &ok)) return;
      }
      const auto* event = static_cast<const Stream::Event*>(tag);
      (event->stream->*event->step)(ok);
    }
  }

  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::atomic<size_t> next_ = 0;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Asking> AskByStreams(const Channels& channels, const Take& take) {
  return std::make_unique<Streams>(channels, take);
}

}  // namespace assay::bench
