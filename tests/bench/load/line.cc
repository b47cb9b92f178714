#include "tests/bench/load/line.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/bench/load/asking.h"
#include "tests/bench/load/device_key.h"

namespace assay::bench {
namespace {

constexpr auto kLeastWarmUp = std::chrono::milliseconds(250);
constexpr int kLeastWarmCalls = 8;
constexpr int kConnectionsForCalls = 4;

class Line {
 public:
  Line(const Channels& channels, const Load& load, const CpuWatch& watch)
      : load_(load), watch_(watch), prefix_(DrawName() + "-"), connections_(channels.size()) {
    if (load.mode == Mode::kCsr) MakeRequests();
    asking_ = load.streams > 0 ? AskByStreams(channels, take_) : AskByCalls(channels, take_);
  }

  Measured Run() {
    Warm();
    Measured measured = load_.rate > 0 ? RunAtRate() : RunInFlight();
    asking_->End();
    measured.took_ms = std::move(took_);
    measured.refused = refused_;
    measured.first_refusal = first_refusal_;
    std::sort(measured.took_ms.begin(), measured.took_ms.end());
    return measured;
  }

 private:
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

  // Connections, caches of the lot, prepared statements: a question on each, one after the other.
  void Warm() {
    stopping_ = true;
    for (size_t i = 0; i < connections_; ++i) {
      Send(Steady::now(), false);
      std::unique_lock lock(mutex_);
      AwaitAll(lock);
      if (refused_ == 0) continue;
      lock.unlock();
      asking_->End();
      throw std::runtime_error("Issue: " + first_refusal_);
    }
    stopping_ = false;
    ended_ = 0;
  }

  // Keeps `in_flight` calls under way; counts once as many as that have been answered.
  Measured RunInFlight() {
    warm_calls_ = std::max(load_.in_flight, kLeastWarmCalls);
    const auto began = Steady::now();
    for (int i = 0; i < load_.in_flight; ++i) Send(Steady::now(), false);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ >= warm_calls_ || under_way_ == 0; });
    changed_.wait_until(lock, began + kLeastWarmUp, [&] { return under_way_ == 0; });
    const CpuReading before = watch_.Read();
    const auto start = Steady::now();
    counting_ = true;
    changed_.wait_until(lock, start + Length(load_.seconds), [&] { return under_way_ == 0; });
    Measured measured = Passed(start, before);
    counting_ = false;
    stopping_ = true;
    AwaitAll(lock);
    return measured;
  }

  // Sends each call when it is due, late or not; what is late counts from when it was due.
  Measured RunAtRate() {
    stopping_ = true;  // an answer brings no further question
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
    AwaitAll(lock);
    return Passed(start, before);
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

  void AwaitAll(std::unique_lock<std::mutex>& lock) {
    changed_.wait(lock, [&] { return under_way_ == 0; });
  }

  // Nothing when no device has made a further request.
  std::optional<v1::IssueRequest> Draw() {
    v1::IssueRequest request;
    const size_t number = next_++;
    request.set_ticket(prefix_ + std::to_string(number));
    request.set_lot(load_.lot);
    if (load_.mode == Mode::kCsr) {
      if (number >= csrs_.size()) return std::nullopt;
      request.set_csr(ToText(csrs_[number]));
    }
    return request;
  }

  void Send(Steady::time_point due, bool counted) {
    std::optional<v1::IssueRequest> request = Draw();
    {
      const std::lock_guard lock(mutex_);
      if (!request) {
        ++refused_;
        first_refusal_ = "more identities came than the benchmark had requests made for";
        return;
      }
      ++under_way_;
    }
    asking_->Ask({*std::move(request), due, counted});
  }

  void Receive(const Question& question, const std::string& fault) {
    const auto now = Steady::now();
    bool again = false;
    {
      const std::lock_guard lock(mutex_);
      if (!fault.empty()) {
        if (refused_++ == 0) first_refusal_ = fault;
      } else if (counting_ || question.counted) {
        took_.push_back(std::chrono::duration<double, std::milli>(now - question.due).count());
      }
      // A refusal ends this place: a service that refuses must not be hammered.
      again = fault.empty() && !stopping_;
    }
    if (again) Send(now, false);
    const std::lock_guard lock(mutex_);
    --under_way_;
    // Waking the waiting thread for each call would be the benchmark's own cost.
    if (++ended_ == warm_calls_ || under_way_ == 0) changed_.notify_all();
  }

  const Load load_;
  const CpuWatch& watch_;
  const std::string prefix_;
  const size_t connections_;
  std::vector<Bytes> csrs_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool counting_ = false, stopping_ = false;
  int under_way_ = 0;
  int64_t ended_ = 0, warm_calls_ = 0, refused_ = 0;
  std::string first_refusal_;
  std::vector<double> took_;
  const Take take_ = [this](const Question& question, const std::string& fault) {
    Receive(question, fault);
  };
  std::unique_ptr<Asking> asking_;  // last: what it holds calls take_
};

}  // namespace

Measured RunLine(const Settings& settings, const Load& load, const CpuWatch& watch) {
  int connections = load.streams > 0 ? load.streams : kConnectionsForCalls;
  if (load.rate == 0) connections = std::min(connections, load.in_flight);
  return Line(ConnectLines(settings, connections), load, watch).Run();
}

}  // namespace assay::bench
