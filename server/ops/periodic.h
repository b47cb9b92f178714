// A thread that does one thing again and again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace assay::ops {

// Runs `work` at once and then `interval` after each end, until destroyed; the destructor waits for
// a run under way.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds interval, std::function<void()> work);
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // The next run begins now.
  void Poke();

 private:
  void Loop();

  const std::chrono::milliseconds interval_;
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool poked_ = false, ending_ = false;
  std::thread thread_;
};

}  // namespace assay::ops
