#include "client/issue_stream.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"
#include "base/refusal.h"
#include "client/whole_images.h"

namespace assay::client {
namespace {

using Steady = std::chrono::steady_clock;
using Stream = grpc::ClientReaderWriter<v1::IssueRequest, v1::IssueStreamResponse>;

// Everything the writing and the reading thread share.
class Flight {
 public:
  Flight(const IssueStreamOptions& options, const CallPatience& patience, const TakeOutcome& take)
      : options_(options), patience_(patience), take_(take), last_answer_(Steady::now()) {}

  // ---- reading thread ----

  void Answered(v1::IssueStreamResponse response) {
    std::string ticket = response.ticket();
    if (response.has_issued()) MakeImagesWhole(*response.mutable_issued());
    absl::StatusOr<v1::IssueResponse> outcome =
        response.has_issued()
            ? absl::StatusOr<v1::IssueResponse>(std::move(*response.mutable_issued()))
            : FromRefusal(response.refused());
    {
      std::lock_guard lock(mutex_);
      last_heard_ = Steady::now();
      const auto found = in_flight_.find(ticket);
      if (found == in_flight_.end()) return;  // not ours, or answered before the stream broke
      const auto asked = outcome.ok() ? std::nullopt : RetryAfter(outcome.status());
      if (asked && Steady::now() - last_success_or_start_ < options_.give_up_after) {
        Waiting waiting = std::move(found->second);
        ++waiting.attempts;
        const auto due = Steady::now() + WaitBefore(waiting.attempts, *asked, patience_);
        in_flight_.erase(found);
        waiting_.emplace(due, std::move(waiting));
        changed_.notify_all();
        return;
      }
      in_flight_.erase(found);
      last_answer_ = Steady::now();
      if (outcome.ok()) last_success_or_start_ = last_answer_;
    }
    const bool go_on = take_(ticket, std::move(outcome));
    std::lock_guard lock(mutex_);
    if (!go_on) no_more_ = true;
    changed_.notify_all();
  }

  void Broken() {
    std::lock_guard lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }

  // ---- writing thread ----

  // The next request to write; nothing when the stream is broken or all is answered.
  std::optional<v1::IssueRequest> NextToWrite(const NextRequest& next,
                                              const std::function<bool()>& stopped) {
    std::unique_lock lock(mutex_);
    while (true) {
      if (stopped()) no_more_ = true;
      if (broken_) return std::nullopt;
      if (static_cast<int>(in_flight_.size()) < options_.window) {
        if (auto request = FromWaiting()) return request;
        if (!no_more_) {
          if (auto request = FromCaller(lock, next)) return request;
        }
      }
      if (no_more_) waiting_.clear();
      if (in_flight_.empty() && waiting_.empty() && (no_more_ || exhausted_)) return std::nullopt;
      if (in_flight_.empty()) last_heard_ = Steady::now();
      silent_ = Steady::now() - last_heard_ > options_.give_up_after;
      if (silent_) return std::nullopt;
      WaitForChange(lock);
    }
  }

  // The server holds requests and says nothing.
  bool silent() {
    std::lock_guard lock(mutex_);
    return silent_;
  }

  bool done() {
    std::lock_guard lock(mutex_);
    return in_flight_.empty() && waiting_.empty() && (no_more_ || exhausted_);
  }

  // Puts what was in flight back; true while another stream is worth a try.
  bool Reopen(const std::function<bool()>& stopped) {
    std::lock_guard lock(mutex_);
    broken_ = false;
    for (auto& [ticket, waiting] : in_flight_) waiting_.emplace(Steady::now(), std::move(waiting));
    in_flight_.clear();
    return !stopped() && Steady::now() - last_answer_ < options_.give_up_after;
  }

  int NextBreak() {
    std::lock_guard lock(mutex_);
    if (last_answer_ != answer_at_break_) breaks_ = 0;
    answer_at_break_ = last_answer_;
    return ++breaks_;
  }

 private:
  struct Waiting {
    v1::IssueRequest request;
    int attempts = 0;
  };

  std::optional<v1::IssueRequest> FromWaiting() {
    if (no_more_ || waiting_.empty() || waiting_.begin()->first > Steady::now())
      return std::nullopt;
    Waiting waiting = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    v1::IssueRequest request = waiting.request;
    in_flight_.emplace(request.ticket(), std::move(waiting));
    return request;
  }

  std::optional<v1::IssueRequest> FromCaller(std::unique_lock<std::mutex>& lock,
                                             const NextRequest& next) {
    if (exhausted_) return std::nullopt;
    lock.unlock();
    std::optional<v1::IssueRequest> request = next();
    lock.lock();
    if (!request) {
      exhausted_ = true;
      return std::nullopt;
    }
    in_flight_.emplace(request->ticket(), Waiting{*request, 0});
    return request;
  }

  void WaitForChange(std::unique_lock<std::mutex>& lock) {
    auto until = Steady::now() + std::chrono::milliseconds(200);  // to look at `stopped`
    if (!waiting_.empty()) until = std::min(until, waiting_.begin()->first);
    changed_.wait_until(lock, until);
  }

  const IssueStreamOptions& options_;
  const CallPatience& patience_;
  const TakeOutcome& take_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Waiting> in_flight_;
  std::multimap<Steady::time_point, Waiting> waiting_;
  Steady::time_point last_answer_;
  Steady::time_point last_success_or_start_ = Steady::now();
  Steady::time_point answer_at_break_{};
  Steady::time_point last_heard_ = Steady::now();
  int breaks_ = 0;
  bool silent_ = false;
  bool exhausted_ = false;  // the caller has no more
  bool no_more_ = false;    // the caller wants no more
  bool broken_ = false;
};

// One stream from open to close.
absl::Status RunStream(v1::IssuanceService::Stub& stub, Flight& flight, const NextRequest& next,
                       const std::function<bool()>& stopped) {
  grpc::ClientContext context;
  TakeShortImages(context);
  std::unique_ptr<Stream> stream = stub.IssueStream(&context);
  std::thread reader([&] {
    v1::IssueStreamResponse response;
    while (stream->Read(&response)) flight.Answered(std::move(response));
    flight.Broken();
  });
  while (auto request = flight.NextToWrite(next, stopped)) {
    if (!stream->Write(*request)) break;
  }
  if (flight.silent()) {
    context.TryCancel();
  } else {
    stream->WritesDone();
  }
  reader.join();
  return FromGrpc(stream->Finish());
}

}  // namespace

absl::Status IssueMany(Connection& connection, const IssueStreamOptions& options,
                       const NextRequest& next, const TakeOutcome& take,
                       const std::function<bool()>& stopped) {
  const auto stub = v1::IssuanceService::NewStub(connection.channel());
  Flight flight(options, connection.patience(), take);
  while (true) {
    const absl::Status status = RunStream(*stub, flight, next, stopped);
    if (flight.done()) return absl::OkStatus();
    if (flight.silent()) return absl::DeadlineExceededError("the server does not answer");
    // A server that ends the stream kindly while answers are owed is draining: the next one
    // answers.
    const auto asked = status.ok() ? std::chrono::milliseconds(0) : RetryAfter(status);
    if (!asked || !flight.Reopen(stopped)) {
      return status.ok() ? absl::UnavailableError("the server ended the stream") : status;
    }
    WaitConnecting(*connection.channel(),
                   WaitBefore(flight.NextBreak(), *asked, connection.patience()));
  }
}

}  // namespace assay::client
