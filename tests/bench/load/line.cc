#include "tests/bench/load/line.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "assay/v1/issuance.grpc.pb.h"
#include "tests/bench/load/device_key.h"

namespace assay::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr auto kLeastWarmUp = std::chrono::milliseconds(250);
constexpr int kLeastWarmCalls = 8;
constexpr auto kDeadline = std::chrono::seconds(120);
constexpr size_t kKeptContexts = 2048;

class Line {
 public:
  Line(const Channels& channels, const Load& load, const CpuWatch& watch)
      : load_(load), watch_(watch), prefix_(DrawName() + "-") {
    const size_t used = load.rate > 0
                            ? channels.size()
                            : std::min(static_cast<size_t>(load.in_flight), channels.size());
    for (size_t i = 0; i < used; ++i) {
      stubs_.push_back(v1::IssuanceService::NewStub(channels[i]));
    }
    if (load.mode == Mode::kCsr) MakeRequests();
  }

  Measured Run() {
    Warm();
    Measured measured = load_.rate > 0 ? RunAtRate() : RunInFlight();
    measured.took_ms = std::move(took_);
    measured.refused = refused_;
    measured.first_refusal = first_refusal_;
    std::sort(measured.took_ms.begin(), measured.took_ms.end());
    return measured;
  }

 private:
  struct Call {
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
    v1::IssueRequest request;
    v1::IssueResponse response;
    Steady::time_point due;
    bool counted = false;  // where a rate is given
  };

  // Devices make their requests themselves; their work is not the service's.
  void MakeRequests() {
    const double fastest =
        load_.rate > 0 ? 1.3 * load_.rate : std::min(8000.0, 3e7 / load_.iterations);
    csrs_.resize(static_cast<size_t>((load_.seconds + 3) * fastest) + 600);
    std::vector<std::jthread> makers;
    const size_t threads = std::thread::hardware_concurrency();
    for (size_t first = 0; first < threads; ++first) {
      makers.emplace_back([this, first, threads] {
        for (size_t i = first; i < csrs_.size(); i += threads) csrs_[i] = MakeDeviceRequest();
      });
    }
  }

  // Connections, caches of the lot, prepared statements.
  void Warm() {
    for (const auto& stub : stubs_) {
      Call call;
      Fill(call);
      Demand(stub->Issue(call.context.get(), call.request, &call.response), "Issue");
    }
  }

  // Keeps `in_flight` calls under way; counts once as many as that have been answered.
  Measured RunInFlight() {
    const auto began = Steady::now();
    for (int i = 0; i < load_.in_flight; ++i) Send(Steady::now(), false);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return ended_ >= std::max(load_.in_flight, kLeastWarmCalls) || under_way_ == 0;
    });
    changed_.wait_until(lock, began + kLeastWarmUp, [&] { return under_way_ == 0; });
    const CpuReading before = watch_.Read();
    const auto start = Steady::now();
    counting_ = true;
    changed_.wait_until(lock, start + Length(load_.seconds), [&] { return under_way_ == 0; });
    Measured measured = Passed(start, before);
    counting_ = false;
    stopping_ = true;
    changed_.wait(lock, [&] { return under_way_ == 0; });
    return measured;
  }

  // Sends each call when it is due, late or not; what is late counts from when it was due.
  Measured RunAtRate() {
    std::mt19937_64 draw(20);
    std::exponential_distribution<double> distance(load_.rate);
    const auto next = [&] { return Length(load_.evenly ? 1 / load_.rate : distance(draw)); };
    const auto start = Steady::now() + std::chrono::seconds(1), end = start + Length(load_.seconds);
    auto due = Steady::now();
    for (; due < start; due += next()) {
      std::this_thread::sleep_until(due);
      Send(due, false);
    }
    const CpuReading before = watch_.Read();
    for (; due < end; due += next()) {
      std::this_thread::sleep_until(due);
      Send(due, true);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ == 0; });
    Measured measured = Passed(start, before);
    return measured;
  }

  static Steady::duration Length(double seconds) {
    return std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(seconds));
  }

  Measured Passed(Steady::time_point start, const CpuReading& before) const {
    Measured measured;
    measured.seconds = std::chrono::duration<double>(Steady::now() - start).count();
    measured.spent = watch_.Read() - before;
    return measured;
  }

  bool Fill(Call& call) {
    const size_t number = next_++;
    call.request.set_ticket(prefix_ + std::to_string(number));
    call.request.set_lot(load_.lot);
    if (load_.mode == Mode::kCsr) {
      if (number >= csrs_.size()) return false;
      call.request.set_csr(ToText(csrs_[number]));
    }
    call.context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    return true;
  }

  void Send(Steady::time_point due, bool counted) {
    auto call = std::make_shared<Call>();
    call->due = due;
    call->counted = counted;
    const bool filled = Fill(*call);
    {
      const std::lock_guard lock(mutex_);
      if (!filled) {
        ++refused_;
        first_refusal_ = "more identities came than the benchmark had requests made for";
        return;
      }
      ++under_way_;
    }
    Call& sent = *call;
    stubs_[next_stub_++ % stubs_.size()]->async()->Issue(
        sent.context.get(), &sent.request, &sent.response,
        [this, call = std::move(call)](const grpc::Status& status) { Receive(*call, status); });
  }

  void Receive(Call& call, const grpc::Status& status) {
    const auto now = Steady::now();
    std::unique_ptr<grpc::ClientContext> dropped;
    bool again = false;
    {
      const std::lock_guard lock(mutex_);
      // gRPC is not done with a call while its callback runs.
      contexts_.push_back(std::move(call.context));
      if (contexts_.size() > kKeptContexts) {
        dropped = std::move(contexts_.front());
        contexts_.pop_front();
      }
      Count(call, status, now);
      // A refusal ends this place: a service that refuses must not be hammered.
      again = status.ok() && !stopping_ && load_.rate == 0;
    }
    if (again) Send(now, false);
    const std::lock_guard lock(mutex_);
    ++ended_;
    --under_way_;
    changed_.notify_all();
  }

  // With mutex_ held.
  void Count(const Call& call, const grpc::Status& status, Steady::time_point now) {
    if (!status.ok()) {
      if (refused_++ == 0) first_refusal_ = status.error_message();
    } else if (counting_ || call.counted) {
      took_.push_back(std::chrono::duration<double, std::milli>(now - call.due).count());
    }
  }

  const Load load_;
  const CpuWatch& watch_;
  const std::string prefix_;
  std::vector<std::unique_ptr<v1::IssuanceService::Stub>> stubs_;
  std::vector<Bytes> csrs_;
  std::atomic<size_t> next_ = 0, next_stub_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool counting_ = false, stopping_ = false;
  int under_way_ = 0;
  int64_t ended_ = 0, refused_ = 0;
  std::string first_refusal_;
  std::vector<double> took_;
  std::deque<std::unique_ptr<grpc::ClientContext>> contexts_;
};

}  // namespace

Measured RunLine(const Channels& channels, const Load& load, const CpuWatch& watch) {
  return Line(channels, load, watch).Run();
}

}  // namespace assay::bench
