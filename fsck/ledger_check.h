// The ledger in the database: entries, tiles, head and checkpoints against each other and the
// signing key; what the entries tell is added up for the comparison with the devices.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "fsck/agreement.h"
#include "fsck/facts.h"
#include "fsck/finding.h"
#include "fsck/snapshot.h"
#include "tlog/proof.h"

namespace assay::fsck {

struct LedgerReading {
  uint64_t size = 0;     // entries with a place
  uint64_t waiting = 0;  // without
  Tally issued, confirmed, revoked;
  std::map<std::string, uint64_t> requests;  // request_sha256: how many entries bear it
  uint64_t crl_number = 0;                   // highest list number told, of any issuer
  std::map<std::string, uint64_t> crl_numbers;
  std::map<std::string, uint64_t> kinds;
};

// The leaf of an entry, written here once more after docs/audit.md: what the tree hashes.
std::string LeafOf(std::string_view body, absl::Time written_at);
// The issue an entry tells of; false for entries of another kind.
bool ReadIssue(std::string_view body, IssueRecord& record);
// The device an entry tells of; empty where it tells of none.
std::string DeviceOf(std::string_view body);

// Reads a snapshot's entries and tiles as a log. Keeps the bundles it read ahead.
class SnapshotLog final : public tlog::LogReader {
 public:
  explicit SnapshotLog(Session& session) : session_(session) {}
  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width) override;
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override;

 private:
  struct Entry {
    uint64_t place;
    std::string leaf;
  };
  Session& session_;
  uint64_t first_ = 0, end_ = 0;  // what `ahead_` covers
  std::vector<Entry> ahead_;
};

// `told` hears of entries read. Throws as Session does.
absl::Status CheckLedger(Session& session, const Facts& facts, Findings& findings,
                         LedgerReading& reading, const std::function<void(uint64_t)>& told);

}  // namespace assay::fsck
