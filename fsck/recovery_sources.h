// What survived beside the database: a copy of the ledger, receipts, and the lines' folders.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "tlog/checkpoint.h"
#include "tlog/proof.h"

namespace assay::fsck {

// A folder of tiles, as `assay ledger export-tiles` leaves it. Not thread-safe.
class TileFolder final : public tlog::LogReader {
 public:
  explicit TileFolder(std::string folder) : folder_(std::move(folder)) {}
  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width) override;
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override;

 private:
  absl::StatusOr<Bytes> ReadOne(const std::string& path) const;
  std::string folder_;
};

struct CopiedLedger {
  tlog::Checkpoint checkpoint;
  std::string note;
  std::vector<std::string> leaves;  // from `first` on
};
// The copy, checked whole under `key`; its leaves from place `first` on. LEDGER_FORKED naming the
// first fault where the copy contradicts itself.
absl::StatusOr<CopiedLedger> ReadCopy(const std::string& folder, const tlog::NoteKey& key,
                                      uint64_t first);

struct SurvivingReceipts {
  std::map<uint64_t, std::string> leaves;  // by place
  // Of the largest checkpoint any of them holds.
  std::optional<tlog::Checkpoint> newest;
  std::string newest_note;
};

// A device as its line has it.
struct FolderDevice {
  std::string path, device_id, ticket, lot, serial_number;
  uint32_t discriminator = 0, passcode = 0;
  std::string qr_code, manual_code;  // secrets
  Bytes dac, image_signature;
  std::string dac_sha256, image_sha256, dac_serial;  // hex, as its manifest row says
  bool taken = false;
};

struct Survivors {
  SurvivingReceipts receipts;
  std::map<std::string, std::vector<FolderDevice>> devices;  // by device id
  std::vector<std::string> remarks;                          // files that could not be used
};
// Searches the folders and all below. A receipt that `key` does not prove is remarked and left out.
absl::StatusOr<Survivors> ReadFolders(const std::vector<std::string>& folders,
                                      const tlog::NoteKey& key);

}  // namespace assay::fsck
