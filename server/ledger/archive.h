// The ledger for reading: checkpoints, proofs and receipts, made from what is stored.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/ledger/store_reader.h"
#include "tlog/checkpoint.h"

namespace assay::ledger {

struct MadeReceipt {
  uint64_t index = 0;
  std::string entry;
  std::string text;
};

// Thread-safe; blocks on the store. Nothing here needs the HSM or the lease: every replica answers.
class Archive {
 public:
  explicit Archive(std::shared_ptr<db::LedgerStore> store);

  // The newest checkpoint (size 0), or the first that covers `size`. LEDGER_PENDING when there is
  // none yet, or none of that size; LEDGER_UNKNOWN for a size above what has its place.
  absl::StatusOr<db::LedgerCheckpoint> CheckpointFor(uint64_t size);
  absl::StatusOr<uint64_t> PlacedEntries();

  // `size` 0: that of the newest checkpoint. LEDGER_PENDING for what is placed and not signed yet,
  // LEDGER_UNKNOWN for what is not placed or lies beyond `size`.
  struct Proof {
    tlog::Path path;
    tlog::Hash leaf{};  // inclusion only
    uint64_t size = 0;
  };
  absl::StatusOr<Proof> Inclusion(uint64_t index, uint64_t size);
  absl::StatusOr<Proof> Consistency(uint64_t old_size, uint64_t size);

  // Under the newest checkpoint, those of a device's entries it covers. LEDGER_PENDING when it
  // covers none.
  absl::StatusOr<std::vector<MadeReceipt>> ReceiptsOf(const std::string& device_id);
  // The same under a checkpoint of the caller's choice.
  absl::StatusOr<std::vector<MadeReceipt>> ReceiptsUnder(const std::string& device_id,
                                                         const db::LedgerCheckpoint& checkpoint);

  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width);
  absl::StatusOr<std::vector<std::string>> ReadEntries(uint64_t first, int count);

 private:
  absl::StatusOr<uint64_t> SizeWithin(uint64_t size);
  // LEDGER_PENDING where an entry of this index, or that many entries, are placed; LEDGER_UNKNOWN
  // where they are not.
  absl::Status Unsigned(absl::string_view field, uint64_t value, bool is_index,
                        uint64_t signed_size);

  const std::shared_ptr<db::LedgerStore> store_;
  StoreReader reader_;
};

}  // namespace assay::ledger
