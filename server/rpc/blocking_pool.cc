#include "server/rpc/blocking_pool.h"

#include <utility>

namespace assay::rpc {

BlockingPool::BlockingPool(int threads, size_t queue_limit) : queue_limit_(queue_limit) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool BlockingPool::Run(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (ending_ || queue_.size() >= queue_limit_) return false;
  queue_.push_back(std::move(work));
  // Under the lock: once the work is done the pool may be gone.
  wake_.notify_one();
  return true;
}

size_t BlockingPool::Waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void BlockingPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace assay::rpc
