// Leases: parts of a lot's count kept for a line. The claim's transaction holds to them
// (db::Store::RecordIntents).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "db/store.h"

namespace assay::db {

struct LotLease {
  int64_t id = 0;  // set by GrantLease
  std::string lot;
  std::string line;
  uint64_t count = 0;
  uint64_t used = 0;  // claimed from it by now; never above count
  std::string actor;
  absl::Time granted_at, expires_at;
  std::optional<absl::Time> released_at;

  // Neither released nor ended at `now`.
  bool LiveAt(absl::Time now) const { return !released_at && expires_at > now; }
};

// A live lease keeps count - used places of its lot for its line: other lines claim only what is
// left of the lot's count beside all such places. The line itself draws on its leases first, the
// one that ends first before the others, and then on what is free. Voiding an attempt gives its
// place back to the lease it came from. The database's clock counts.
//
// Thread-safe. Refusals as in db::Store; acts are written as there, with their ledger entry.
class LotLeaseStore {
 public:
  virtual ~LotLeaseStore() = default;

  // LOT_UNKNOWN, LOT_NOT_OPEN, QUOTA_EXCEEDED where fewer places are free. `lease` names lot, line
  // and count. The same act again returns the lease as it is now.
  virtual absl::StatusOr<LotLease> GrantLease(const Act& act, const LotLease& lease,
                                              std::chrono::seconds lasts) = 0;
  // Its unused places are free at once. Released or ended before: nothing changes.
  // LEASE_UNKNOWN for an id that is none of the lot's.
  virtual absl::StatusOr<LotLease> ReleaseLease(const Act& act, const std::string& lot,
                                                int64_t id) = 0;
  // Of one lot, in the order they were granted; LOT_UNKNOWN. With the database's time, by which
  // they live or have ended.
  struct Listed {
    std::vector<LotLease> leases;
    absl::Time now;
  };
  virtual absl::StatusOr<Listed> ListLeases(const std::string& lot) = 0;
};

}  // namespace assay::db
