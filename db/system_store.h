// The store's part for who runs the service: which replicas there are, whose clock is right, which
// schema.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace assay::db {

struct ReplicaLease {
  std::string instance_id;
  absl::Duration left;  // by the store's clock; below zero where the lease has run out
};

struct SystemFacts {
  absl::Time now;  // the store's clock
  int schema = 0;  // the newest migration applied
  std::vector<ReplicaLease> replicas;
};

// Thread-safe; blocks.
class SystemStore {
 public:
  virtual ~SystemStore() = default;
  // At most 100 replicas, those with the longest lease first. STORE_UNAVAILABLE when it is away.
  virtual absl::StatusOr<SystemFacts> ReadSystem() = 0;
};

}  // namespace assay::db
