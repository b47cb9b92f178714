// The whole check: token, database, ledger, manifest, lists and images against each other.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "fsck/finding.h"
#include "fsck/records_check.h"
#include "fsck/settings.h"
#include "fsck/token_check.h"
#include "tlog/note.h"

namespace assay::fsck {

struct CheckOptions {
  int threads = 0;  // 0: as many as the machine has cores
  // Sealed identities opened with the token's help: `sample` of them, or all with `deep`.
  bool deep = false;
  uint64_t sample = 200;
  std::optional<tlog::NoteKey> ledger_key;  // else the token's
  std::FILE* progress = nullptr;            // where the bar goes
};

struct Report {
  uint64_t devices = 0, dacs = 0, images = 0, given = 0;
  uint64_t entries = 0, waiting = 0;
  RecordCounts records;
  SealedCounts sealed;
  bool token_checked = false;
  bool key_checked = false;  // checkpoints' signatures
  double seconds = 0;        // of the wall clock
  double cpu_seconds = 0;    // of this process, all threads
  double DevicesPerCore() const {
    return cpu_seconds > 0 ? static_cast<double>(devices) / cpu_seconds : 0;
  }
};

// `token` may be nullptr: then what only it can tell is left out, which the report says. A refusal
// where the check could not be made; what is wrong goes to `findings`.
absl::StatusOr<Report> CheckEverything(const Settings& settings, hsm::Token* token,
                                       const CheckOptions& options, Findings& findings);

}  // namespace assay::fsck
