// Whether what was handed over is older than what its reader already holds.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tlog/checkpoint.h"
#include "tlog/note.h"

namespace assay::client {

// `file` has an earlier checkpoint of the same log, signed by `key`; empty: nothing to compare
// with. CHECKPOINT_STALE where `checkpoint`, that of a `what` ("receipt"), has fewer entries,
// LEDGER_FORKED where it has as many under another root.
absl::Status CheckNotBefore(const tlog::NoteKey& key, const tlog::Checkpoint& checkpoint,
                            const std::string& file, absl::string_view what);

}  // namespace assay::client
