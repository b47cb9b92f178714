// Opens the codes of manifest rows for callers with the role for it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "assay/v1/audit.pb.h"
#include "db/store.h"
#include "server/lot/lot_key.h"

namespace assay::rpc {

// Thread-safe. The first row of a lot asks store and token for the lot's key; it is kept from then
// on.
class RowCodes {
 public:
  RowCodes(std::shared_ptr<db::Store> store, std::shared_ptr<lot::LotKeys> keys)
      : store_(std::move(store)), keys_(std::move(keys)) {}
  // Fills passcode, qr_code and manual_code.
  absl::Status Open(const db::ManifestRow& stored, v1::ManifestRow& row);

 private:
  absl::StatusOr<std::shared_ptr<const SecretBytes>> KeyOf(const std::string& lot);

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<lot::LotKeys> keys_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SecretBytes>> known_;
};

}  // namespace assay::rpc
