#include "server/rpc/row_codes.h"

#include "base/refusal.h"

namespace assay::rpc {

absl::StatusOr<std::shared_ptr<const SecretBytes>> RowCodes::KeyOf(const std::string& lot) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(lot);
    if (known != known_.end()) return known->second;
  }
  const auto found = store_->FindLot(lot);
  if (!found.ok()) return found.status();
  auto key = keys_->Unwrap(*found);
  if (!key.ok()) return key.status();
  const std::lock_guard lock(mutex_);
  known_[lot] = *key;
  return key;
}

absl::Status RowCodes::Open(const db::ManifestRow& stored, v1::ManifestRow& row) {
  // Of a device that was entered again after a restore, and whose codes only its line has.
  if (stored.codes.empty()) return absl::OkStatus();
  const auto key = KeyOf(stored.lot);
  if (!key.ok()) return key.status();
  auto codes = lot::OpenCodes(**key, stored);
  if (!codes.ok()) return codes.status();
  row.set_passcode(codes->passcode());
  row.set_qr_code(codes->qr_code());
  row.set_manual_code(codes->manual_code());
  WipeText(*codes->mutable_qr_code());
  WipeText(*codes->mutable_manual_code());
  return absl::OkStatus();
}

}  // namespace assay::rpc
