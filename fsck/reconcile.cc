#include "fsck/reconcile.h"

#include "base/refusal.h"

namespace assay::fsck {

absl::StatusOr<RecoveryReport> Reconcile(const Settings&, const tlog::NoteKey&,
                                         const RecoveryOptions&) {
  return Refuse(Reason::INTERNAL, "being written");
}

}  // namespace assay::fsck
