// The records for auditors: how many, what became of a lot, who did what, and what is new. Reading
// only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "db/store.h"

namespace assay::db {

// Shifts of a factory: where they begin, in minutes after its midnight, ascending and below 1440;
// none: the whole day is one.
struct ShiftPlan {
  std::vector<int> starts;
  int utc_offset_minutes = 0;
};

// Units whose identity one line's stations got in one shift; voided and open ones by when they were
// tried.
struct ReconciledShift {
  std::string line;
  absl::Time start, end;
  uint64_t issued = 0, confirmed = 0, scrapped = 0;
  uint64_t missing = 0;   // sealed, no outcome, not revoked
  uint64_t revoked = 0;   // whatever was said before
  uint64_t returned = 0;  // scrapped, and their places free again
  uint64_t voided = 0;
  uint64_t open = 0;
};

struct LotAccount {
  uint64_t count = 0, claimed = 0;
  std::vector<ReconciledShift> shifts;  // by line, then by time
};

// One thing that happened to a device or its lot.
struct DeviceEvent {
  absl::Time at;
  std::string what;  // "intent", "void", "seal", "confirm", "scrap", "revoke", "verify", "wipe", or
                     // an act's kind
  std::string actor;
  std::string detail;
  std::optional<uint64_t> ledger_index;
};

struct FollowedDevice {
  uint64_t index = 0;  // of the ledger's entry
  absl::Time at;
  std::string kind;
  ManifestRow device;  // as it is now
};

struct Followed {
  std::vector<FollowedDevice> events;
  uint64_t next = 0;  // where to go on: entries below it were looked at
};

// Thread-safe; refusals as in db::Store. Uses connections of its own, so that readers never make
// issuing wait.
class RecordsStore {
 public:
  virtual ~RecordsStore() = default;

  // How many rows ListDevices would give in all.
  virtual absl::StatusOr<uint64_t> CountDevices(const DeviceFilter& filter) = 0;
  // LOT_UNKNOWN.
  virtual absl::StatusOr<LotAccount> Reconcile(const std::string& lot, const ShiftPlan& plan) = 0;
  // In order of time: of the device, of the attempts its ticket had before, and of its lot, product
  // and PAI. DEVICE_UNKNOWN.
  virtual absl::StatusOr<std::vector<DeviceEvent>> FindHistory(const std::string& device_id) = 0;
  // Ledger entries about devices from place `from` on, at most `limit`, of devices the filter
  // names. Without `from`: no events, and where the ledger ends now.
  virtual absl::StatusOr<Followed> Follow(const DeviceFilter& filter, std::optional<uint64_t> from,
                                          int limit) = 0;
};

}  // namespace assay::db
