// A tree that grows at its right edge: what a sequencer keeps in memory, a few kilobytes for any
// size.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "tlog/tile.h"

namespace assay::tlog {

// Not thread-safe.
class GrowingTree {
 public:
  GrowingTree() = default;
  // Goes on from the partial tiles of a tree of `size` leaves: `edge[level]` is the partial tile of
  // that level, empty or missing where the level has none. FIELD_MALFORMED when a width is wrong.
  // The caller compares Root() with the root it trusts.
  static absl::StatusOr<GrowingTree> FromEdge(uint64_t size, std::vector<std::vector<Hash>> edge);

  void Append(const Hash& leaf);
  uint64_t size() const { return size_; }
  Hash Root() const;

  // The tiles that changed since the last call, each as wide as it is now: hashes in order.
  std::map<TileId, std::vector<Hash>> TakeChanged();

 private:
  void AppendAt(size_t level, const Hash& hash);

  uint64_t size_ = 0;
  std::vector<std::vector<Hash>> edge_;  // by level; fewer than 256 hashes each
  std::map<TileId, std::vector<Hash>> full_;
  std::vector<bool> touched_;
};

}  // namespace assay::tlog
