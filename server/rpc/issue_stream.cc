#include "server/rpc/issue_stream.h"

#include <algorithm>
#include <utility>

#include "base/refusal.h"
#include "server/issue/together.h"
#include "server/issue/wipe.h"
#include "server/rpc/error_map.h"
#include "server/rpc/field_path.h"

namespace assay::rpc {
namespace {

constexpr std::string_view kMethod = "assay.v1.IssuanceService/IssueStream";

void WipeAnswer(v1::IssueStreamResponse& answer) {
  if (answer.has_issued()) issue::WipeIdentity(*answer.mutable_issued()->mutable_identity());
}

}  // namespace

IssueStream::IssueStream(const FrontDesk& desk, const IssuanceCalls& calls,
                         grpc::CallbackServerContext* context, Gone gone)
    : desk_(desk),
      calls_(calls),
      context_(context),
      gone_(std::move(gone)),
      call_(desk.Admit(*context, kMethod)),
      limit_(static_cast<size_t>(std::max(1, desk.limits()->stream_in_flight))) {
  end_ = call_->admitted();
  read_ended_ = !end_.ok();
}

void IssueStream::Start() {
  std::unique_lock lock(mutex_);
  const Next next = DecideLocked();
  lock.unlock();
  Do(next);
}

void IssueStream::Drain() {
  std::unique_lock lock(mutex_);
  if (finished_ || broken_) return;
  // A read under way cannot be taken back: it ends when the client sends, or when the server cuts
  // the stream off. Finish is therefore allowed while it is open (DecideLocked).
  if (end_.ok())
    end_ = Refuse(Reason::DRAINING, "this replica is shutting down; open a new stream");
  read_ended_ = true;
  const Next next = DecideLocked();
  lock.unlock();
  Do(next);
}

IssueStream::Next IssueStream::DecideLocked() {
  Next next;
  if (finished_) return next;
  if (!read_ended_ && !reading_ && in_flight_ + answers_.size() < limit_) {
    reading_ = true;
    next.read = true;
  }
  if (!writing_ && !gathering_ && !answers_.empty()) {
    writing_ = true;
    next.write = &answers_.front();
    // The first takes the stream's headers along: held back, it would not count as written, and the
    // second, which would send it on its way, waits for that.
    next.more = begun_ && answers_.size() > 1;
  }
  if (read_ended_ && in_flight_ == 0 && answers_.empty() && !writing_ && !gathering_) {
    finished_ = true;
    next.finish = true;
  }
  return next;
}

void IssueStream::Do(Next next) {
  // With both to start, the write that is not yet started keeps the stream alive over the read.
  if (next.read) StartRead(&received_);
  if (next.write != nullptr) {
    grpc::WriteOptions options;
    if (next.more) options.set_buffer_hint();
    StartWrite(next.write, options);
  }
  if (next.finish) Finish(call_->End(end_));
}

void IssueStream::OnReadDone(bool ok) {
  v1::IssueRequest request;
  const absl::Status readable = ok ? ReadMessage(received_, request) : absl::OkStatus();
  std::unique_lock lock(mutex_);
  reading_ = false;
  // It has no ticket to be answered by: the stream ends with it, those read before are answered.
  if (!readable.ok() && end_.ok()) end_ = readable;
  if (!ok || !readable.ok() || read_ended_) {
    // An item that came as the stream was being drained is answered like any other, so that its
    // line knows at once to ask another replica. With the stream finished, its end says the same.
    if (ok && readable.ok() && !finished_ && !broken_) {
      v1::IssueStreamResponse answer;
      answer.set_ticket(request.ticket());
      *answer.mutable_refused() = ToStreamRefusal(end_);
      answers_.push_back(std::move(answer));
    }
    issue::WipeRequest(request);
    read_ended_ = true;
    const Next next = DecideLocked();
    lock.unlock();
    Do(next);
    return;
  }
  ++in_flight_;
  const Next next = DecideLocked();
  lock.unlock();
  // The next read begins before this item is handed on; the item, not answered yet, keeps the
  // stream.
  Do(next);

  std::string ticket = request.ticket();
  std::shared_ptr<Call> item = desk_.AdmitItem(*call_, context_->deadline(), kMethod);
  item->About(ticket, request.lot());
  if (!item->admitted().ok()) {
    Answer(item, std::move(ticket), item->admitted());
  } else {
    calls_.issue(item->caller(), std::move(request), item->deadline(),
                 [this, item, ticket](absl::StatusOr<v1::IssueResponse> result) mutable {
                   Answer(item, std::move(ticket), std::move(result));
                 });
  }
}

void IssueStream::Answer(const std::shared_ptr<Call>& item, std::string ticket,
                         absl::StatusOr<v1::IssueResponse> result) {
  const absl::Status status = InRequestsWords(kMethod, result.status());
  item->End(status);
  v1::IssueStreamResponse answer;
  answer.set_ticket(std::move(ticket));
  if (result.ok()) {
    *answer.mutable_issued() = *std::move(result);
  } else {
    *answer.mutable_refused() = ToStreamRefusal(status);
  }
  std::unique_lock lock(mutex_);
  --in_flight_;
  // After a broken write nobody listens; the identity stays sealed and the line asks again by its
  // ticket.
  if (broken_) {
    WipeAnswer(answer);
  } else {
    answers_.push_back(std::move(answer));
  }
  if (std::exchange(gathering_, true)) return;
  lock.unlock();
  // The answers of one batch leave together.
  issue::Together::After([this] {
    std::unique_lock after(mutex_);
    gathering_ = false;
    const Next next = DecideLocked();
    after.unlock();
    Do(next);
  });
}

void IssueStream::DropAnswers() {
  for (v1::IssueStreamResponse& answer : answers_) WipeAnswer(answer);
  answers_.clear();
}

void IssueStream::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  if (ok) {
    begun_ = true;
    // Written, and so serialized: gRPC has its own copy by now.
    WipeAnswer(answers_.front());
    answers_.pop_front();
  } else {
    broken_ = true;
    read_ended_ = true;
    DropAnswers();
  }
  const Next next = DecideLocked();
  lock.unlock();
  Do(next);
}

void IssueStream::OnCancel() {
  std::unique_lock lock(mutex_);
  if (end_.ok() && !finished_) end_ = absl::CancelledError("the caller has gone");
  broken_ = true;
  read_ended_ = true;
  // The write under way owns the front until OnWriteDone.
  if (!writing_) DropAnswers();
  const Next next = DecideLocked();
  lock.unlock();
  Do(next);
}

void IssueStream::OnDone() {
  DropAnswers();
  gone_(this);
  delete this;
}

}  // namespace assay::rpc
