#include "tests/chaos/hsm_faults/issuing_load.h"

#include <algorithm>

#include "tests/integration/office.h"

namespace assay::chaos {
namespace {

constexpr std::chrono::seconds kDeadline{4};
// What a line waits before it asks again.
constexpr std::chrono::milliseconds kPause{50};

}  // namespace

IssuingLoad::IssuingLoad(std::shared_ptr<grpc::Channel> channel, std::string lot, int lines)
    : channel_(std::move(channel)), lot_(std::move(lot)), successes_(static_cast<size_t>(lines)) {
  for (int i = 0; i < lines; ++i) {
    threads_.emplace_back([this, i] { Issue(i); });
  }
}

void IssuingLoad::Issue(int line) {
  const auto stub = v1::IssuanceService::NewStub(channel_);
  for (int n = 0; !stopping_; ++n) {
    v1::IssueRequest request;
    request.set_lot(lot_);
    request.set_ticket("line-" + std::to_string(line) + "-" + std::to_string(n));
    while (true) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + kDeadline);
      v1::IssueResponse response;
      const grpc::Status status = stub->Issue(&context, request, &response);
      std::unique_lock lock(mutex_);
      if (status.ok()) {
        given_[request.ticket()] = response.identity();
        successes_[static_cast<size_t>(line)].push_back(Steady::now());
        changed_.notify_all();
        break;
      }
      const std::string reason = integration::ReasonIn(status);
      ++refused_[reason.empty() ? status.error_message() : reason];
      changed_.wait_for(lock, kPause, [] { return false; });
    }
  }
}

bool IssuingLoad::AwaitEachLine(Steady::time_point since, std::chrono::milliseconds longest,
                                Steady::time_point& first, Steady::time_point& last) {
  std::unique_lock lock(mutex_);
  const auto each_done = [&] {
    return std::all_of(successes_.begin(), successes_.end(),
                       [&](const auto& times) { return !times.empty() && times.back() > since; });
  };
  if (!changed_.wait_for(lock, longest, each_done)) return false;
  first = Steady::time_point::max();
  last = since;
  for (const auto& times : successes_) {
    const auto next = *std::upper_bound(times.begin(), times.end(), since);
    first = std::min(first, next);
    last = std::max(last, next);
  }
  return true;
}

std::map<std::string, int> IssuingLoad::Refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void IssuingLoad::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace assay::chaos
