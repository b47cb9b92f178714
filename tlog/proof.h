// Proofs out of tiles: whoever can read tiles (a server its database, an auditor a folder) can make
// any.
#pragma once

#include <map>

#include "tlog/tile.h"

namespace assay::tlog {

// Where tiles and bundles come from. Thread-safety is the implementation's.
class LogReader {
 public:
  virtual ~LogReader() = default;
  // Exactly `width` hashes: the first ones of the tile, which may be wider by now. LEDGER_UNKNOWN
  // where there are fewer.
  virtual absl::StatusOr<Bytes> ReadTile(TileId tile, uint64_t width) = 0;
  // Exactly `width` entries. LEDGER_UNKNOWN.
  virtual absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) = 0;
};

// Proofs within the tree of `size` leaves. Keeps the tiles it read, so several proofs of one size
// share them. Not thread-safe.
class Prover {
 public:
  Prover(LogReader& reader, uint64_t size) : reader_(reader), size_(size) {}

  absl::StatusOr<Hash> Root();
  absl::StatusOr<Hash> Leaf(uint64_t index);  // LEDGER_UNKNOWN beyond the size
  // RFC 6962 section 2.1.1. LEDGER_UNKNOWN.
  absl::StatusOr<Path> Inclusion(uint64_t index);
  // Section 2.1.2: from `old_size` to this size. LEDGER_UNKNOWN when it is larger.
  absl::StatusOr<Path> Consistency(uint64_t old_size);
  // Root of the tree at a smaller size, out of the same tiles.
  absl::StatusOr<Hash> RootAt(uint64_t old_size);

 private:
  // Root over leaves [begin, end), where RFC 6962's splitting makes that a subtree.
  absl::StatusOr<Hash> Range(uint64_t begin, uint64_t end);
  absl::StatusOr<Hash> FullSubtree(int height, uint64_t begin);

  LogReader& reader_;
  const uint64_t size_;
  std::map<TileId, std::vector<Hash>> tiles_;
};

}  // namespace assay::tlog
