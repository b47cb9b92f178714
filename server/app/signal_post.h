// The signals this program answers. They are blocked in every thread; one thread of their own takes
// them, so that a program that hangs can still be ended.
#pragma once

#include <condition_variable>
#include <mutex>

namespace assay::app {

// Thread-safe.
class SignalPost {
 public:
  enum class Letter { kReload, kEnd };

  // Once, before any other thread is made. Lives as long as the process.
  static SignalPost& Open();

  // Waits for SIGHUP (kReload) or for the first SIGTERM or SIGINT (kEnd). The second of those ends
  // the process at once, with 128 and the signal's number, whatever else it does.
  Letter Next();

 private:
  SignalPost() = default;
  [[noreturn]] void Take();

  std::mutex mutex_;
  std::condition_variable came_;
  bool reload_ = false, end_ = false;
};

}  // namespace assay::app
