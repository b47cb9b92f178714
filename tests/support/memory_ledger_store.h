// The ledger's store in memory: the same promises as db/pg (tests/conformance/ledger_store).
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "db/ledger_store.h"

namespace assay::test_support {

// Thread-safe: every call is one step. What is public may be changed between calls, to forge.
class MemoryLedgerStore final : public db::LedgerStore {
 public:
  explicit MemoryLedgerStore(const Clock& clock) : clock_(clock) {}

  // Asked before each call with its name; a refusal is the call's answer, and nothing happens.
  std::function<absl::Status(std::string_view call)> before_call;
  // Asked after each call that writes; a refusal is the answer though the work was done.
  std::function<absl::Status(std::string_view call)> after_call;

  absl::StatusOr<bool> TakeLease(const std::string& holder,
                                 std::chrono::milliseconds lease) override;
  absl::Status EndLease(const std::string& holder) override;
  absl::StatusOr<db::LedgerHead> ReadHead() override;
  absl::StatusOr<std::vector<db::PendingEntry>> ReadPending(int64_t after_id, int limit) override;
  absl::Status Append(const std::string& holder, const db::LedgerStep& step) override;
  absl::Status Publish(const std::string& holder, const db::LedgerCheckpoint& checkpoint) override;
  absl::StatusOr<std::optional<db::LedgerCheckpoint>> LatestCheckpoint() override;
  absl::StatusOr<std::optional<db::LedgerCheckpoint>> FirstCheckpointOf(uint64_t size) override;
  absl::StatusOr<int> ThinCheckpoints() override;
  absl::StatusOr<std::vector<std::string>> ReadLeaves(uint64_t first, int count) override;
  absl::StatusOr<Bytes> ReadTile(int level, uint64_t index) override;
  absl::StatusOr<std::vector<uint64_t>> FindDeviceEntries(const std::string& device_id) override;
  absl::Status AddEntries(std::string_view kind, std::span<const std::string> bodies) override;

  struct Entry {
    db::PendingEntry written;
    std::optional<uint64_t> place;
    std::string device;
  };
  std::map<int64_t, Entry> entries;
  std::map<uint64_t, int64_t> id_at;
  std::map<std::pair<int, uint64_t>, Bytes> tiles;
  std::map<uint64_t, db::LedgerCheckpoint> checkpoints;
  db::LedgerHead head;

 private:
  absl::Status Before(std::string_view call) const;
  absl::Status After(std::string_view call) const;
  bool Holds(const std::string& holder) const;

  const Clock& clock_;
  std::mutex mutex_;
  std::string holder_;
  absl::Time lease_until_ = absl::InfinitePast();
};

}  // namespace assay::test_support
