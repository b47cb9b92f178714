// Time, passed in so that tests own it.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace assay {

// Thread-safe. Now() is wall-clock time in UTC and may step; deadlines use absl::Now-independent
// std::chrono::steady_clock instead (base/deadline.h).
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace assay
