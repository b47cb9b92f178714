// Nothing is begun while what was begun cannot be sealed: on a full disk an intent still fits where
// an identity no longer does, and each try would cost a signature and a serial number.
#pragma once

#include <chrono>
#include <mutex>

namespace assay::issue {

// Thread-safe.
class SealRest {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Zero: never rests.
  explicit SealRest(std::chrono::milliseconds rest) : rest_(rest) {}

  // An identity could not be sealed for the database's sake.
  void Failed(Time now) {
    const std::lock_guard lock(mutex_);
    if (rest_.count() == 0) return;
    resting_ = true;
    until_ = now + rest_;
  }
  void Sealed() {
    const std::lock_guard lock(mutex_);
    resting_ = false;
  }
  // While it rests, true once in each rest: that ticket finds out whether sealing works again.
  bool MayTry(Time now) {
    const std::lock_guard lock(mutex_);
    if (!resting_) return true;
    if (now < until_) return false;
    until_ = now + rest_;
    return true;
  }

 private:
  const std::chrono::milliseconds rest_;
  std::mutex mutex_;
  bool resting_ = false;
  Time until_;
};

}  // namespace assay::issue
