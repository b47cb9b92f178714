#include "server/ops/health.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace assay::ops {

Health::Health(std::vector<HealthCheck> checks, std::chrono::milliseconds interval,
               std::function<void(bool)> changed)
    : stale_after_(std::max<std::chrono::milliseconds>(3 * interval, std::chrono::seconds(2))),
      changed_(std::move(changed)) {
  for (HealthCheck& check : checks) {
    watched_.push_back(std::make_unique<Watched>());
    watched_.back()->check = std::move(check);
  }
  for (const auto& watched : watched_) {
    watched->loop =
        std::make_unique<Periodic>(interval, [this, one = watched.get()] { RunCheck(*one); });
  }
  // Notices an answer that grew old without a new one.
  judge_ = std::make_unique<Periodic>(
      std::min<std::chrono::milliseconds>(interval, std::chrono::seconds(1)), [this] { Judge(); });
}

Health::~Health() {
  Stop();
  judge_.reset();
  for (const auto& watched : watched_) watched->loop.reset();
}

void Health::RunCheck(Watched& watched) {
  absl::Status status = watched.check.run();
  bool differs = false;
  {
    const std::lock_guard lock(mutex_);
    differs =
        status.message() != watched.status.message() || status.code() != watched.status.code();
    watched.status = status;
    watched.at = std::chrono::steady_clock::now();
  }
  answered_.notify_all();
  if (differs && status.ok()) {
    LogInfo("health", {{"part", watched.check.name}, {"state", "well"}});
  } else if (differs) {
    LogWarning("health", {{"part", watched.check.name},
                          {"state", "ill"},
                          {"message", std::string(status.message())}});
  }
  Judge();
}

bool Health::ReadyLocked() const {
  const auto now = std::chrono::steady_clock::now();
  return !stopped_ && std::all_of(watched_.begin(), watched_.end(), [&](const auto& watched) {
    return watched->status.ok() && now - watched->at <= stale_after_;
  });
}

void Health::Judge() {
  const std::lock_guard telling(telling_);
  bool ready = false;
  {
    const std::lock_guard lock(mutex_);
    ready = ReadyLocked();
    if (ready == told_ready_) return;
    told_ready_ = ready;
  }
  answered_.notify_all();  // an answer that grew old tells nobody by itself
  LogInfo("ready", {{"ready", ready ? "yes" : "no"}});
  changed_(ready);
}

bool Health::Ready() const {
  const std::lock_guard lock(mutex_);
  return ReadyLocked();
}

std::vector<Health::Part> Health::Parts() const {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::vector<Part> parts;
  for (const auto& watched : watched_) {
    const bool stale = watched->status.ok() && now - watched->at > stale_after_;
    parts.push_back(
        {watched->check.name,
         stale ? absl::DeadlineExceededError("the check does not return") : watched->status});
  }
  return parts;
}

void Health::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  Judge();
}

bool Health::Await(bool ready, std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  std::unique_lock lock(mutex_);
  while (ReadyLocked() != ready) {
    lock.unlock();
    Poke();
    lock.lock();
    if (ReadyLocked() == ready) return true;
    if (answered_.wait_until(lock, end) == std::cv_status::timeout) return ReadyLocked() == ready;
  }
  return true;
}

bool Health::AwaitPart(const std::string& name, bool well, std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  std::unique_lock lock(mutex_);
  for (const auto& watched : watched_) {
    if (watched->check.name != name) continue;
    return answered_.wait_until(lock, end, [&] {
      return watched->at != std::chrono::steady_clock::time_point{} && watched->status.ok() == well;
    });
  }
  return false;
}

void Health::Poke() {
  for (const auto& watched : watched_) watched->loop->Poke();
}

}  // namespace assay::ops
