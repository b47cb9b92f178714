// Threads that take work in batches: whatever gathered while the last batch ran is the next one. A
// lone item is taken at once; there is no timer.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
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
  };

  // The lane of an item; none: one lane for all.
  using LaneOf = std::function<std::string(const Item&)>;

  // Without threads nothing runs but by RunOne.
  WorkQueue(int threads, std::vector<Kind> kinds, LaneOf lane_of = {})
      : kinds_(std::move(kinds)), lane_of_(std::move(lane_of)), waiting_(kinds_.size()) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }
  // Finishes everything that was pushed.
  ~WorkQueue() { Stop(); }

  void Push(size_t kind, Item item) {
    const std::string lane = lane_of_ ? lane_of_(item) : std::string();
    const std::lock_guard lock(mutex_);
    waiting_[kind].Push(lane, std::move(item));
    // Under the lock: once the item is done the queue may be gone, and threads that are not its own
    // push too.
    ready_.notify_one();
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
  // The first kind with work, or kinds_.size().
  size_t Next() const {
    size_t kind = 0;
    while (kind < kinds_.size() && waiting_[kind].empty()) ++kind;
    return kind;
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ready_.wait(lock, [this] { return stopping_ || Next() < kinds_.size(); });
      const size_t kind = Next();
      if (kind == kinds_.size()) return;
      RunBatch(kind, lock);
    }
  }

  // Not under the lock, but for taking the batch.
  void RunBatch(size_t kind, std::unique_lock<std::mutex>& lock) {
    std::vector<Item> batch;
    auto& queue = waiting_[kind];
    while (!queue.empty() && static_cast<int>(batch.size()) < kinds_[kind].max_batch) {
      batch.push_back(queue.Pop());
    }
    lock.unlock();
    kinds_[kind].run(std::move(batch));
    lock.lock();
  }

  std::vector<Kind> kinds_;
  const LaneOf lane_of_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Lanes<Item>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace assay::issue
