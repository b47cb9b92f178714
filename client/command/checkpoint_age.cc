#include "client/command/checkpoint_age.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/fault.h"
#include "client/files.h"

namespace assay::client {

absl::Status CheckNotBefore(const tlog::NoteKey& key, const tlog::Checkpoint& checkpoint,
                            const std::string& file, absl::string_view what) {
  if (file.empty()) return absl::OkStatus();
  const auto note = ReadTextFile(file);
  if (!note.ok()) return note.status();
  const auto earlier = tlog::OpenCheckpoint(*note, key);
  if (!earlier.ok()) return Within(file, earlier.status());
  if (checkpoint.size < earlier->size) {
    return Refuse(Reason::CHECKPOINT_STALE,
                  absl::StrCat("the ", what, "'s checkpoint has ", checkpoint.size, " entries, ",
                               file, " has ", earlier->size, ": ask for a newer ", what));
  }
  if (checkpoint.size == earlier->size && checkpoint.root != earlier->root) {
    return Refuse(Reason::LEDGER_FORKED,
                  absl::StrCat("two roots of size ", checkpoint.size, " are signed"));
  }
  return absl::OkStatus();
}

}  // namespace assay::client
