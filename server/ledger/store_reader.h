// The stored ledger as tlog's functions read one.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "db/ledger_store.h"
#include "tlog/proof.h"

namespace assay::ledger {

// Thread-safe. Keeps the full tiles it has read, because they never change: 16 MiB at most.
class StoreReader final : public tlog::LogReader {
 public:
  explicit StoreReader(std::shared_ptr<db::LedgerStore> store) : store_(std::move(store)) {}

  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width) override;
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override;

 private:
  const std::shared_ptr<db::LedgerStore> store_;
  std::mutex mutex_;
  std::map<tlog::TileId, Bytes> full_;
};

}  // namespace assay::ledger
