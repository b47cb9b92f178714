// A few threads for calls that wait for the store or the token, so that gRPC's own threads never
// do.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace assay::rpc {

// Thread-safe. Work runs in the order it came.
class BlockingPool {
 public:
  BlockingPool(int threads, size_t queue_limit);
  // Ends what was accepted, then the threads.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // False, and nothing was kept, when the queue is full: the caller refuses with OVERLOADED.
  [[nodiscard]] bool Run(std::function<void()> work);
  size_t Waiting() const;

 private:
  void Work();

  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace assay::rpc
