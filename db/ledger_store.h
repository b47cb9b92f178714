// The ledger's part of the store: entries waiting and sequenced, tiles, checkpoints, and who may
// add.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"

namespace assay::db {

// An entry that has no place yet, as an act or a seal wrote it in its own transaction.
struct PendingEntry {
  int64_t id = 0;
  std::string body;  // canonical JSON
  absl::Time written_at;
};

// How much of the ledger has its place, for ever: fixed before anything about it is signed.
struct LedgerHead {
  uint64_t size = 0;
  Sha256Digest root{};  // RFC 6962; all zero for size 0
  bool operator==(const LedgerHead&) const = default;
};

struct LedgerTile {
  int level = 0;
  uint64_t index = 0;
  Bytes hashes;  // 1 to 256 hashes of 32 bytes
};

// One step of the ledger. Entry ids[i] gets the place from.size + i.
struct LedgerStep {
  LedgerHead from, to;
  std::vector<int64_t> ids;
  std::vector<std::string> devices;  // one an entry: what FindDeviceEntries finds it by, or empty
  std::vector<LedgerTile> tiles;     // what this step changed, each as wide as it is now
};

struct LedgerCheckpoint {
  uint64_t size = 0;
  Sha256Digest root{};
  std::string note;  // signed
  absl::Time published_at;
};

// The leaf of an entry: canonical JSON of when it was written (UTC, microseconds) and what. An
// entry above 60,000 bytes stands as its SHA-256 and size, because the tile format ends at 65,535.
//   {"at":"2026-11-22T08:00:00.123456Z","entry":{...}}
std::string LedgerLeaf(std::string_view body, absl::Time written_at);
// The top-level "device" of an entry, empty where there is none.
std::string DeviceOfEntry(std::string_view body);

// Thread-safe. Refusals as in db::Store, and LEDGER_FORKED where rows contradict each other.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;

  // ---- the sequencer's lease: whoever holds it is the only one who adds. The database's clock
  // counts.
  // Takes it when it is free or has ended, extends it when it is ours; false when another holds it.
  virtual absl::StatusOr<bool> TakeLease(const std::string& holder,
                                         std::chrono::milliseconds lease) = 0;
  virtual absl::Status EndLease(const std::string& holder) = 0;

  // LEDGER_FORKED when rows were put behind the head, or the last one taken away.
  virtual absl::StatusOr<LedgerHead> ReadHead() = 0;
  // Oldest first. `after_id` spares a look at what was sequenced long ago; 0 finds everything.
  virtual absl::StatusOr<std::vector<PendingEntry>> ReadPending(int64_t after_id, int limit) = 0;
  // All or nothing, and only while `holder` has the lease and the head is `step.from`:
  // STORE_UNAVAILABLE otherwise. In doubt, read the head.
  virtual absl::Status Append(const std::string& holder, const LedgerStep& step) = 0;

  // Only while `holder` has the lease and the newest checkpoint is smaller.
  virtual absl::Status Publish(const std::string& holder, const LedgerCheckpoint& checkpoint) = 0;
  virtual absl::StatusOr<std::optional<LedgerCheckpoint>> LatestCheckpoint() = 0;
  // The first that covers `size` entries.
  virtual absl::StatusOr<std::optional<LedgerCheckpoint>> FirstCheckpointOf(uint64_t size) = 0;
  // Of checkpoints older than a day keeps the last of each hour: a receipt holds its own, and tiles
  // prove any size. Returns how many went.
  virtual absl::StatusOr<int> ThinCheckpoints() = 0;

  // ---- reading. Leaves first, first+1, ...: at most `count`, fewer at the end; LEDGER_FORKED
  // naming the first place that is missing among them.
  virtual absl::StatusOr<std::vector<std::string>> ReadLeaves(uint64_t first, int count) = 0;
  // The tile as wide as it is now; LEDGER_UNKNOWN.
  virtual absl::StatusOr<Bytes> ReadTile(int level, uint64_t index) = 0;
  // Places of a device's entries, in order; those without a place yet are left out.
  virtual absl::StatusOr<std::vector<uint64_t>> FindDeviceEntries(const std::string& device_id) = 0;

  // For entries that belong to no act: they wait like the others.
  virtual absl::Status AddEntries(std::string_view kind, std::span<const std::string> bodies) = 0;
};

}  // namespace assay::db
