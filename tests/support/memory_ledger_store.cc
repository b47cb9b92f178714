#include "tests/support/memory_ledger_store.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::test_support {
namespace {

absl::Status NotOurs() {
  return Refuse(Reason::STORE_UNAVAILABLE, "the ledger's lease or head is another replica's");
}

}  // namespace

absl::Status MemoryLedgerStore::Before(std::string_view call) const {
  return before_call ? before_call(call) : absl::OkStatus();
}
absl::Status MemoryLedgerStore::After(std::string_view call) const {
  return after_call ? after_call(call) : absl::OkStatus();
}
bool MemoryLedgerStore::Holds(const std::string& holder) const {
  return holder_ == holder && lease_until_ > clock_.Now();
}

absl::StatusOr<bool> MemoryLedgerStore::TakeLease(const std::string& holder,
                                                  std::chrono::milliseconds lease) {
  ASSAY_RETURN_IF_ERROR(Before("TakeLease"));
  std::lock_guard lock(mutex_);
  if (holder_ != holder && lease_until_ > clock_.Now()) return false;
  holder_ = holder;
  lease_until_ = clock_.Now() + absl::FromChrono(lease);
  return true;
}

absl::Status MemoryLedgerStore::EndLease(const std::string& holder) {
  ASSAY_RETURN_IF_ERROR(Before("EndLease"));
  std::lock_guard lock(mutex_);
  if (holder_ == holder) lease_until_ = absl::InfinitePast();
  return absl::OkStatus();
}

absl::StatusOr<db::LedgerHead> MemoryLedgerStore::ReadHead() {
  ASSAY_RETURN_IF_ERROR(Before("ReadHead"));
  std::lock_guard lock(mutex_);
  const uint64_t placed = id_at.empty() ? 0 : id_at.rbegin()->first + 1;
  if (placed != head.size) {
    return Refuse(Reason::LEDGER_FORKED,
                  absl::StrCat("the head has ", head.size, " entries, the last row says ", placed));
  }
  return head;
}

absl::StatusOr<std::vector<db::PendingEntry>> MemoryLedgerStore::ReadPending(int64_t after_id,
                                                                             int limit) {
  ASSAY_RETURN_IF_ERROR(Before("ReadPending"));
  std::lock_guard lock(mutex_);
  std::vector<db::PendingEntry> pending;
  for (auto at = entries.upper_bound(after_id); at != entries.end(); ++at) {
    if (pending.size() == static_cast<size_t>(limit)) break;
    if (!at->second.place) pending.push_back(at->second.written);
  }
  return pending;
}

absl::Status MemoryLedgerStore::Append(const std::string& holder, const db::LedgerStep& step) {
  ASSAY_RETURN_IF_ERROR(Before("Append"));
  std::lock_guard lock(mutex_);
  if (!Holds(holder) || !(head == step.from)) return NotOurs();
  for (const int64_t id : step.ids) {
    const auto entry = entries.find(id);
    if (entry == entries.end() || entry->second.place) {
      return Refuse(Reason::LEDGER_FORKED, "a waiting entry vanished before it got its place");
    }
  }
  for (size_t i = 0; i < step.ids.size(); ++i) {
    Entry& entry = entries[step.ids[i]];
    entry.place = step.from.size + i;
    entry.device = step.devices[i];
    id_at[step.from.size + i] = step.ids[i];
  }
  for (const db::LedgerTile& tile : step.tiles) tiles[{tile.level, tile.index}] = tile.hashes;
  head = step.to;
  return After("Append");
}

absl::Status MemoryLedgerStore::Publish(const std::string& holder,
                                        const db::LedgerCheckpoint& checkpoint) {
  ASSAY_RETURN_IF_ERROR(Before("Publish"));
  std::lock_guard lock(mutex_);
  const bool newest = checkpoints.empty() || checkpoints.rbegin()->first < checkpoint.size;
  if (!Holds(holder) || !newest || checkpoint.size > head.size) return NotOurs();
  checkpoints[checkpoint.size] = checkpoint;
  return After("Publish");
}

absl::StatusOr<std::optional<db::LedgerCheckpoint>> MemoryLedgerStore::LatestCheckpoint() {
  ASSAY_RETURN_IF_ERROR(Before("LatestCheckpoint"));
  std::lock_guard lock(mutex_);
  if (checkpoints.empty()) return std::optional<db::LedgerCheckpoint>();
  return std::optional(checkpoints.rbegin()->second);
}

absl::StatusOr<std::optional<db::LedgerCheckpoint>> MemoryLedgerStore::FirstCheckpointOf(
    uint64_t size) {
  ASSAY_RETURN_IF_ERROR(Before("FirstCheckpointOf"));
  std::lock_guard lock(mutex_);
  const auto found = checkpoints.lower_bound(size);
  if (found == checkpoints.end()) return std::optional<db::LedgerCheckpoint>();
  return std::optional(found->second);
}

absl::StatusOr<int> MemoryLedgerStore::ThinCheckpoints() {
  ASSAY_RETURN_IF_ERROR(Before("ThinCheckpoints"));
  std::lock_guard lock(mutex_);
  const absl::Time limit = clock_.Now() - absl::Hours(24);
  int gone = 0;
  for (auto at = checkpoints.begin(); at != checkpoints.end();) {
    const auto next = std::next(at);
    const bool last_of_hour =
        next == checkpoints.end() || absl::ToUnixSeconds(next->second.published_at) / 3600 !=
                                         absl::ToUnixSeconds(at->second.published_at) / 3600;
    if (at->second.published_at < limit && !last_of_hour) {
      checkpoints.erase(at);
      ++gone;
    }
    at = next;
  }
  return gone;
}

absl::StatusOr<std::vector<std::string>> MemoryLedgerStore::ReadLeaves(uint64_t first, int count) {
  ASSAY_RETURN_IF_ERROR(Before("ReadLeaves"));
  std::lock_guard lock(mutex_);
  std::vector<std::string> leaves;
  const uint64_t end = first + static_cast<uint64_t>(count);
  for (auto at = id_at.lower_bound(first); at != id_at.end() && at->first < end; ++at) {
    const uint64_t place = first + leaves.size();
    if (at->first != place) {
      return Refuse(Reason::LEDGER_FORKED, absl::StrCat("entry ", place, " is missing"));
    }
    const db::PendingEntry& written = entries.at(at->second).written;
    leaves.push_back(db::LedgerLeaf(written.body, written.written_at));
  }
  return leaves;
}

absl::StatusOr<Bytes> MemoryLedgerStore::ReadTile(int level, uint64_t index) {
  ASSAY_RETURN_IF_ERROR(Before("ReadTile"));
  std::lock_guard lock(mutex_);
  const auto tile = tiles.find({level, index});
  if (tile == tiles.end()) {
    return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat("no tile ", level, "/", index));
  }
  return tile->second;
}

absl::StatusOr<std::vector<uint64_t>> MemoryLedgerStore::FindDeviceEntries(
    const std::string& device_id) {
  ASSAY_RETURN_IF_ERROR(Before("FindDeviceEntries"));
  std::lock_guard lock(mutex_);
  std::vector<uint64_t> places;
  for (const auto& [place, id] : id_at) {
    if (!device_id.empty() && entries.at(id).device == device_id) places.push_back(place);
  }
  return places;
}

absl::Status MemoryLedgerStore::AddEntries(std::string_view, std::span<const std::string> bodies) {
  ASSAY_RETURN_IF_ERROR(Before("AddEntries"));
  std::lock_guard lock(mutex_);
  for (const std::string& body : bodies) {
    const int64_t id = entries.empty() ? 1 : entries.rbegin()->first + 1;
    // Microseconds, as PostgreSQL keeps.
    entries[id] = {{id, body, absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()))}, {}, ""};
  }
  return After("AddEntries");
}

}  // namespace assay::test_support
