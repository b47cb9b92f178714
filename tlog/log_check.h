// The whole log against one signed checkpoint: every entry hashed, every tile compared, each fault
// named.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tlog/checkpoint.h"
#include "tlog/proof.h"

namespace assay::tlog {

struct LogFindings {
  uint64_t entries = 0;  // read and hashed
  uint64_t tiles = 0;    // compared
  // "entry 17 was changed: ..." ; the first kMost, in order.
  std::vector<std::string> faults;
  uint64_t more_faults = 0;
  bool Clean() const { return faults.empty(); }
  static constexpr size_t kMost = 100;
};

// Called with each entry in order, whether it is right or not.
using EntryVisitor = std::function<void(uint64_t index, ByteView entry)>;

// Reads all of the tree of `checkpoint.size` once, in order, and keeps a few kilobytes. The entries
// decide: a tile that contradicts them is a fault, as is a root that does. A refusal only where a
// read fails in a way that is not a finding (the server away).
absl::StatusOr<LogFindings> CheckLog(LogReader& reader, const Checkpoint& checkpoint,
                                     const EntryVisitor& visit = {});

// Whether the log that signed `later` begins with what `earlier` signed. CHECKPOINT_STALE when
// `later` is the smaller one; PROOF_INVALID when the log has forked.
absl::Status CheckGrowth(LogReader& reader, const Checkpoint& earlier, const Checkpoint& later);

}  // namespace assay::tlog
