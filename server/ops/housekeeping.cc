#include "server/ops/housekeeping.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.h"

namespace assay::ops {

std::function<void()> Told(std::string name, std::function<absl::Status()> work) {
  auto last = std::make_shared<std::string>();
  return [name = std::move(name), work = std::move(work), last] {
    const absl::Status status = work();
    const std::string message(status.message());
    if (!status.ok() && *last != message) {
      LogWarning("chore_failed", {{"chore", name}, {"message", message}});
    } else if (status.ok() && !last->empty()) {
      LogInfo("chore_recovered", {{"chore", name}});
    }
    *last = status.ok() ? "" : message;
  };
}

Housekeeping::Housekeeping(std::shared_ptr<db::Store> store, HousekeepingOptions options)
    : store_(std::move(store)), options_(std::move(options)) {
  // Often, so that after an outage the lease is back before the attempts of the first seconds look
  // dead.
  Add("lease", std::min<std::chrono::milliseconds>(options_.lease / 3, std::chrono::seconds(5)),
      [this] {
        const auto asked = std::chrono::steady_clock::now();
        const absl::Status status = store_->RenewLease(
            options_.instance_id, std::chrono::ceil<std::chrono::seconds>(options_.lease));
        if (status.ok()) lease_end_ = asked + options_.lease;
        return status;
      });
  Add("void_dead", options_.void_interval, [this] {
    const auto voided = store_->VoidDeadAttempts();
    if (voided.ok() && *voided > 0) LogInfo("voided_dead_attempts", {{"count", *voided}});
    return voided.status();
  });
  Add("wipe", options_.wipe_interval, [this] { return WipeDue(); });
}

Housekeeping::~Housekeeping() {
  chores_.clear();
  if (const absl::Status status = store_->EndLease(options_.instance_id); !status.ok()) {
    LogWarning("lease_not_ended", {{"message", std::string(status.message())}});
  }
}

std::chrono::milliseconds Housekeeping::LeaseLeft() const {
  return std::chrono::floor<std::chrono::milliseconds>(lease_end_.load() -
                                                       std::chrono::steady_clock::now());
}

void Housekeeping::Add(std::string name, std::chrono::milliseconds interval,
                       std::function<absl::Status()> work) {
  chores_.push_back(std::make_unique<Periodic>(interval, Told(std::move(name), std::move(work))));
}

absl::Status Housekeeping::WipeDue() {
  int total = 0;
  while (true) {
    const auto wiped = store_->WipeRetained(options_.wipe_rows);
    if (!wiped.ok()) return wiped.status();
    total += *wiped;
    if (*wiped < options_.wipe_rows) break;
  }
  if (total > 0) LogInfo("wiped_retained", {{"count", total}});
  return absl::OkStatus();
}

}  // namespace assay::ops
