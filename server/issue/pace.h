// How fast tickets are served when there are enough of them, and so how long a new one would wait.
#pragma once

#include <chrono>

namespace assay::issue {

// Not thread-safe: whoever owns it locks.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A ticket ended while `in_flight` were under way.
  void Note(int in_flight, bool served, Time now) {
    if (in_flight < kBusy) {
      open_ = false;
      return;
    }
    if (!open_) {
      open_ = true;
      began_ = now;
      done_ = 0;
    }
    if (served) ++done_;
    const std::chrono::duration<double> passed = now - began_;
    if (passed < kWindow) return;
    const double rate = done_ / passed.count();
    rate_ = Known(now) ? (rate_ + rate) / 2 : rate;
    measured_ = now;
    began_ = now;
    done_ = 0;
  }

  // What `in_flight` tickets take, a little more rather than less; zero while nothing is known,
  // which is so when there was not enough to do lately.
  std::chrono::milliseconds WaitBehind(int in_flight, Time now) const {
    if (in_flight < kBusy || !Known(now)) return std::chrono::milliseconds(0);
    const double seconds = kMargin * in_flight / (rate_ < kLeast ? kLeast : rate_);
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  }

 private:
  static constexpr int kBusy = 32;  // enough to keep every thread at work
  static constexpr std::chrono::milliseconds kWindow{250}, kKept{2000};
  static constexpr double kMargin = 1.5, kLeast = 1;

  bool Known(Time now) const { return rate_ > 0 && now - measured_ < kKept; }

  bool open_ = false;
  Time began_, measured_;
  int done_ = 0;
  double rate_ = 0;  // a second
};

}  // namespace assay::issue
