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
    // Tickets end many at a time: a short window is as often too fast as too slow, and who was let
    // in by one that was too fast expires.
    const std::chrono::duration<double> passed = now - began_;
    if (passed < (Known(now) ? kWindow : kFirstWindow)) return;
    const double rate = done_ / passed.count();
    // What got much slower is believed at once: too many let in would all expire.
    rate_ = Known(now) && rate > rate_ / 2 ? (rate_ + rate) / 2 : rate;
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
  static constexpr std::chrono::milliseconds kFirstWindow{250}, kWindow{1000}, kKept{2000};
  static constexpr double kMargin = 1.5, kLeast = 1;

  bool Known(Time now) const { return rate_ > 0 && now - measured_ < kKept; }

  bool open_ = false;
  Time began_, measured_;
  int done_ = 0;
  double rate_ = 0;  // a second
};

}  // namespace assay::issue
