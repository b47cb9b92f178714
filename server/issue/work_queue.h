// Threads that take work in batches: whatever gathered while the last batch ran is the next one. A
// lone item is taken at once; there is no timer.
#pragma once

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

// Several kinds of work share the threads; a kind listed earlier goes first, so that what is nearly
// done leaves before new work enters. Within a kind lanes take turns, so that many items of one
// lane do not hold up those of another. Thread-safe.
template <typename Item>
class WorkQueue {
 public:
  struct Kind {
    int max_batch = 1;
    std::function<void(std::vector<Item>)> run;
    // Batches of the kind at one time; 0 for as many as there are threads. Where batches are the
    // cheaper the larger they are, a second one beside the first would only take from the next.
    int max_running = 0;
  };

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

  // Takes one batch on the caller's thread; false where nothing waits.
  bool RunOne() {
    std::unique_lock lock(mutex_);
    const size_t kind = Next();
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

  // The first kind that has work and may run now, or kinds_.size().
  size_t Next() const {
    size_t kind = 0;
    while (kind < kinds_.size() && (waiting_[kind].empty() || IsFull(kind))) ++kind;
    return kind;
  }
  bool IsFull(size_t kind) const {
    return kinds_[kind].max_running > 0 && running_[kind] >= kinds_[kind].max_running;
  }

  // A thread that sleeps, where there is something for it to do; each that wakes and leaves some
  // wakes the next. Under the lock: once an item is done the queue may be gone, and threads that
  // are not its own push too.
  void WakeOne() {
    if (sleeping_ > 0 && Next() < kinds_.size()) ready_.notify_one();
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++sleeping_;
      ready_.wait(lock, [this] { return (stopping_ && Idle()) || Next() < kinds_.size(); });
      --sleeping_;
      const size_t kind = Next();
      if (kind == kinds_.size()) return;
      RunBatch(kind, lock);
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
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace assay::issue
