// What the database alone must agree on: counters, attempts, wipes, acts, revocations and lists.
#pragma once

#include <map>

#include "absl/status/status.h"
#include "fsck/facts.h"
#include "fsck/finding.h"
#include "fsck/ledger_check.h"
#include "fsck/snapshot.h"

namespace assay::fsck {

struct RecordCounts {
  uint64_t open_attempts = 0;  // in flight, of live processes
  uint64_t dead_attempts = 0;  // unsealed, of processes whose lease has ended: the next round voids
  uint64_t voided_attempts = 0;
};

// All of them throw as Session does.
absl::Status CheckIndexes(Session& session, Findings& findings);
absl::Status CheckLots(Session& session, const Facts& facts, Findings& findings);
absl::Status CheckAttempts(Session& session, const Facts& facts, Findings& findings,
                           RecordCounts& counts);
absl::Status CheckWipes(Session& session, Findings& findings);
absl::Status CheckActs(Session& session, const LedgerReading& ledger, Findings& findings);
absl::Status CheckRevocations(Session& session, const Facts& facts, const LedgerReading& ledger,
                              Findings& findings);

}  // namespace assay::fsck
