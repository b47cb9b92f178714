// Whether this replica can issue now: it tries, again and again, and says so when that changes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/ops/periodic.h"

namespace assay::ops {

struct HealthCheck {
  std::string name;  // "hsm", "store"
  std::function<absl::Status()> run;
};

// Each check has its own thread, so one that hangs neither delays the others nor hides: an answer
// older than three intervals (and at least two seconds) counts as none. Thread-safe.
class Health {
 public:
  // Begins as not ready; `changed` is told of every change of that and must not block for long.
  Health(std::vector<HealthCheck> checks, std::chrono::milliseconds interval,
         std::function<void(bool)> changed);
  ~Health();

  // Every check's last answer is OK and fresh, and Stop was not called.
  bool Ready() const;
  struct Part {
    std::string name;
    absl::Status status;  // UNKNOWN until the first answer
  };
  std::vector<Part> Parts() const;

  // Not ready from now on, whatever the checks say.
  void Stop();
  // Waits until Ready() is `ready`, running the checks again and again; false after `longest`.
  bool Await(bool ready, std::chrono::milliseconds longest);
  // Waits until that part has answered and is `well`; false after `longest`, and for a part that is
  // not there.
  bool AwaitPart(const std::string& name, bool well, std::chrono::milliseconds longest);
  // All checks run now rather than at their time.
  void Poke();

 private:
  struct Watched {
    HealthCheck check;
    absl::Status status = absl::UnknownError("not checked yet");
    std::chrono::steady_clock::time_point at{};
    std::unique_ptr<Periodic> loop;
  };
  void RunCheck(Watched& watched);
  void Judge();
  bool ReadyLocked() const;

  const std::chrono::milliseconds stale_after_;
  const std::function<void(bool)> changed_;
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::mutex telling_;  // so that `changed` hears in order
  std::vector<std::unique_ptr<Watched>> watched_;
  bool stopped_ = false;
  bool told_ready_ = false;
  std::unique_ptr<Periodic> judge_;
};

}  // namespace assay::ops
