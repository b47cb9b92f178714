// After a restore: what the ledger's copy and the lines' folders still have and the database has
// not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fsck/settings.h"
#include "hsm/token.h"
#include "tlog/note.h"

namespace assay::fsck {

struct RecoveryOptions {
  std::string ledger;                // folder of tiles, entries and checkpoint
  std::vector<std::string> folders;  // of devices and receipts
  bool apply = false;
  bool accept_lost_tail = false;
};

struct RecoveryReport {
  uint64_t database_size = 0;  // entries with a place
  uint64_t copy_size = 0;      // of the copy and what receipts add to it
  uint64_t known_waiting = 0;  // entries the database had, without their place
  uint64_t entries = 0;        // to be entered anew
  uint64_t devices = 0;        // of those: issues
  uint64_t from_folders = 0;   // of those: with certificate and signature from a line's folder
  uint64_t confirmed = 0, revoked = 0;
  std::map<std::string, uint64_t> ledger_only;  // kinds of which only the entry came back
  std::vector<std::string> problems;            // in the way of entering; with their cures
  std::vector<std::string> remarks;
  bool applied = false;
};

// Reads, compares and, with options.apply and no problem in the way, enters everything in one
// transaction: the entries at the very places they had, so that the ledger goes on without a fork;
// attempts and devices with their serials, which are never used again; counts, outcomes and
// revocations. Refuses while a replica sequences. LEDGER_FORKED where the copy is no continuation
// of the database.
absl::StatusOr<RecoveryReport> Reconcile(const Settings& settings, hsm::Token* token,
                                         const tlog::NoteKey& key, const RecoveryOptions& options);

}  // namespace assay::fsck
