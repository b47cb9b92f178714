// Threads that take work in batches: whatever gathered while the last batch ran is the next one. A
// kind may say for how long more is worth waiting for; without it there is no timer.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/issue/lanes.h"

namespace assay::issue {

// One kind of work that a queue holds.
template <typename Item>
struct WorkKind {
  using Run = std::function<void(std::vector<Item>)>;
  // Until when a batch that is not full gathers, told by its first item and how many there are; a
  // time in the past: it is enough. Asked with each push, under the queue's lock.
  using GatherUntil =
      std::function<std::chrono::steady_clock::time_point(const Item& first, size_t waiting)>;

  WorkKind(int batch, Run what, int running = 0, GatherUntil gather = {})
      : max_batch(batch),
        run(std::move(what)),
        max_running(running),
        gather_until(std::move(gather)) {}

  int max_batch;
  Run run;
  // Batches of the kind at one time; 0 for as many as there are threads. Where batches are the
  // cheaper the larger they are, a second one beside the first would only take from the next.
  int max_running;
  GatherUntil gather_until;  // none: no batch waits
};

// Several kinds of work share the threads; a kind listed earlier goes first, so that what is nearly
// done leaves before new work enters. Within a kind lanes take turns, so that many items of one
// lane do not hold up those of another. Thread-safe.
template <typename Item>
class WorkQueue {
 public:
  using Steady = std::chrono::steady_clock;
  using Kind = WorkKind<Item>;

  // The lane of an item; none: one lane for all.
  using LaneOf = std::function<std::string(const Item&)>;

  // Without threads nothing runs but by RunOne.
  WorkQueue(int threads, std::vector<Kind> kinds, LaneOf lane_of = {})
      : kinds_(std::move(kinds)), lane_of_(std::move(lane_of)), waiting_(kinds_.size()) {
    running_.assign(kinds_.size(), 0);
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  // Finishes everything that was pushed.
  ~WorkQueue() { Stop(); }

  void Push(size_t kind, Item item) {
    const std::string lane = LaneOfItem(item);
    const std::lock_guard lock(mutex_);
    waiting_[kind].Push(lane, std::move(item));
    WakeOne();
  }

  // In their order, as one: they find themselves in one batch where it has room.
  void PushAll(size_t kind, std::vector<Item> items) {
    if (items.empty()) return;
    std::vector<std::string> lanes;
    for (const Item& item : items) lanes.push_back(LaneOfItem(item));
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < items.size(); ++i) waiting_[kind].Push(lanes[i], std::move(items[i]));
    WakeOne();
  }

  // One that waits, for a batch that takes more while it runs.
  std::optional<Item> Take(size_t kind) {
    const std::lock_guard lock(mutex_);
    if (waiting_[kind].empty()) return std::nullopt;
    return waiting_[kind].Pop();
  }

  // Takes one batch on the caller's thread, as it is; false where nothing waits.
  bool RunOne() {
    std::unique_lock lock(mutex_);
    const size_t kind = Next(Steady::time_point::max()).kind;
    if (kind == kinds_.size()) return false;
    RunBatch(kind, lock);
    return true;
  }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    threads_.clear();
  }

  int Waiting() const {
    const std::lock_guard lock(mutex_);
    size_t sum = 0;
    for (const auto& queue : waiting_) sum += queue.size();
    return static_cast<int>(sum);
  }

 private:
  std::string LaneOfItem(const Item& item) const { return lane_of_ ? lane_of_(item) : ""; }

  // The first kind that has work and may run now, or kinds_.size() and when one that gathers will.
  struct Turn {
    size_t kind;
    Steady::time_point at = Steady::time_point::max();
  };
  Turn Next(Steady::time_point now) const {
    Turn next{kinds_.size()};
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      if (waiting_[kind].empty() || IsFull(kind)) continue;
      const auto until = GatherUntil(kind);
      if (until <= now) return {kind};
      next.at = std::min(next.at, until);
    }
    return next;
  }
  bool IsFull(size_t kind) const {
    return kinds_[kind].max_running > 0 && running_[kind] >= kinds_[kind].max_running;
  }
  Steady::time_point GatherUntil(size_t kind) const {
    const auto& queue = waiting_[kind];
    const bool whole = static_cast<int>(queue.size()) >= kinds_[kind].max_batch;
    if (stopping_ || whole || !kinds_[kind].gather_until) return Steady::time_point::min();
    return kinds_[kind].gather_until(queue.Front(), queue.size());
  }

  // A thread that sleeps, where there is something for it to do, or to wake up for before any other
  // will; each that wakes and leaves some wakes the next. Under the lock: once an item is done the
  // queue may be gone, and threads that are not its own push too.
  void WakeOne() {
    if (sleeping_ == 0) return;
    const Turn next = Next(Steady::now());
    if (next.kind < kinds_.size() || next.at < alarm_) ready_.notify_one();
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      const size_t kind = Await(lock);
      if (kind == kinds_.size()) return;
      RunBatch(kind, lock);
    }
  }

  // The kind that may run; kinds_.size() once the queue has stopped and is empty.
  size_t Await(std::unique_lock<std::mutex>& lock) {
    while (true) {
      const Turn next = Next(Steady::now());
      if (next.kind < kinds_.size() || (stopping_ && Idle())) return next.kind;
      ++sleeping_;
      if (next.at < alarm_) {
        alarm_ = next.at;
        ready_.wait_until(lock, next.at);
        alarm_ = Steady::time_point::max();
      } else {
        ready_.wait(lock);
      }
      --sleeping_;
    }
  }

  bool Idle() const {
    for (const auto& queue : waiting_) {
      if (!queue.empty()) return false;
    }
    return true;
  }

  // Not under the lock, but for taking the batch.
  void RunBatch(size_t kind, std::unique_lock<std::mutex>& lock) {
    std::vector<Item> batch;
    auto& queue = waiting_[kind];
    while (!queue.empty() && static_cast<int>(batch.size()) < kinds_[kind].max_batch) {
      batch.push_back(queue.Pop());
    }
    ++running_[kind];
    WakeOne();
    lock.unlock();
    kinds_[kind].run(std::move(batch));
    lock.lock();
    --running_[kind];
    if (stopping_) ready_.notify_all();
  }

  std::vector<Kind> kinds_;
  const LaneOf lane_of_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Lanes<Item>> waiting_;
  std::vector<int> running_;  // batches, by kind
  int sleeping_ = 0;
  Steady::time_point alarm_ = Steady::time_point::max();  // when one that sleeps wakes by itself
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace assay::issue
