// What a replica does beside issuing: keeps its lease, voids what dead replicas left, wipes what is
// due.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/store.h"
#include "server/ops/periodic.h"

namespace assay::ops {

struct HousekeepingOptions {
  std::string instance_id;
  std::chrono::milliseconds lease{30'000};  // renewed at least three times as often
  std::chrono::milliseconds void_interval{10'000};
  std::chrono::milliseconds wipe_interval{60'000};
  int wipe_rows = 500;  // at a time
};

// Each chore on its own thread, so that a slow one never costs the lease. A chore that fails says
// so once and is tried again at its next time.
class Housekeeping {
 public:
  Housekeeping(std::shared_ptr<db::Store> store, HousekeepingOptions options);
  // Ends the lease: what this replica left unsealed may be voided at once.
  ~Housekeeping();

  // Of this replica's lease, counted from before its last renewal was asked for; below zero where
  // it ran out.
  std::chrono::milliseconds LeaseLeft() const;

 private:
  void Add(std::string name, std::chrono::milliseconds interval,
           std::function<absl::Status()> work);
  absl::Status WipeDue();

  const std::shared_ptr<db::Store> store_;
  const HousekeepingOptions options_;
  std::atomic<std::chrono::steady_clock::time_point> lease_end_{
      std::chrono::steady_clock::time_point()};
  std::vector<std::unique_ptr<Periodic>> chores_;
};

// Wraps a chore: logs its first failure, a failure of another kind, and its recovery.
std::function<void()> Told(std::string name, std::function<absl::Status()> work);

}  // namespace assay::ops
