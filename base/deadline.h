// A point on the steady clock by which a caller needs its answer.
#pragma once

#include <chrono>

namespace assay {

class Deadline {
 public:
  using Steady = std::chrono::steady_clock;

  Deadline() : at_(Steady::time_point::max()) {}
  static Deadline At(Steady::time_point at) { return Deadline(at); }
  static Deadline In(std::chrono::milliseconds left) { return Deadline(Steady::now() + left); }

  bool Passed() const { return Steady::now() >= at_; }
  // Never negative; std::chrono::hours(24) for no deadline, so that it can be handed to waits.
  std::chrono::milliseconds Left() const;
  Steady::time_point at() const { return at_; }

 private:
  explicit Deadline(Steady::time_point at) : at_(at) {}
  Steady::time_point at_;
};

}  // namespace assay
