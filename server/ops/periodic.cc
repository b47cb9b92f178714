#include "server/ops/periodic.h"

#include <utility>

namespace assay::ops {

Periodic::Periodic(std::chrono::milliseconds interval, std::function<void()> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { Loop(); }) {}

Periodic::~Periodic() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Periodic::Poke() {
  {
    const std::lock_guard lock(mutex_);
    poked_ = true;
  }
  wake_.notify_all();
}

void Periodic::Loop() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    poked_ = false;
    lock.unlock();
    work_();
    lock.lock();
    wake_.wait_for(lock, interval_, [this] { return ending_ || poked_; });
  }
}

}  // namespace assay::ops
