// The ledger as tlog's functions read one: from the server, or from a folder of tiles.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "assay/v1/ledger.grpc.pb.h"
#include "client/connection.h"
#include "tlog/log_check.h"

namespace assay::client {

// A verifier key (c2sp.org/signed-note), or the first line of the file of that name.
// FIELD_MALFORMED naming `flag`.
absl::StatusOr<tlog::NoteKey> ReadVerifierKey(const std::string& flag, const std::string& given);

// Not thread-safe.
class ServerLog final : public tlog::LogReader {
 public:
  explicit ServerLog(std::shared_ptr<Connection> connection);
  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width) override;
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override;

 private:
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<v1::LedgerService::Stub> stub_;
};

// A folder as `assay ledger export-tiles` leaves it, or any log's files (c2sp.org/tlog-tiles). A
// missing partial tile is taken from the full one. Not thread-safe.
class FolderLog final : public tlog::LogReader {
 public:
  explicit FolderLog(std::string folder) : folder_(std::move(folder)) {}
  absl::StatusOr<Bytes> ReadTile(tlog::TileId tile, uint64_t width) override;
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

// Every partial file that is left from former sizes must be the beginning of what is signed now:
// after a restore from an old backup some are not. What is wider than the signed size is ahead of
// it, which is normal in a live log. The faults, named.
absl::StatusOr<std::vector<std::string>> CheckLeftovers(FolderLog& log,
                                                        const tlog::Checkpoint& checkpoint);

// Copies the log of `checkpoint` (as the signed `note` holds it) into `folder`, the file
// "checkpoint" last. Files that are there stay: LEDGER_FORKED naming the first whose content would
// change, or when the folder's own checkpoint is no beginning of this one. `told` hears how many of
// the bundles are done.
absl::Status ExportTiles(tlog::LogReader& log, const tlog::Checkpoint& checkpoint,
                         const std::string& note, const std::string& folder,
                         const std::function<void(uint64_t done, uint64_t total)>& told);

}  // namespace assay::client
