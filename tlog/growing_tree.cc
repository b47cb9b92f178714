#include "tlog/growing_tree.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {

absl::StatusOr<GrowingTree> GrowingTree::FromEdge(uint64_t size,
                                                  std::vector<std::vector<Hash>> edge) {
  edge.resize(kMaxTileLevel + 1);
  for (size_t level = 0; level < edge.size(); ++level) {
    const uint64_t width = (size >> (8 * level)) % kTileWidth;
    if (edge[level].size() != width) {
      return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat("tile/", level),
                         absl::StrCat(edge[level].size(), " hashes"),
                         absl::StrCat("must have ", width, " in a tree of ", size));
    }
  }
  GrowingTree tree;
  tree.size_ = size;
  tree.touched_.resize(edge.size());
  tree.edge_ = std::move(edge);
  return tree;
}

void GrowingTree::Append(const Hash& leaf) {
  AppendAt(0, leaf);
  ++size_;
}

void GrowingTree::AppendAt(size_t level, const Hash& hash) {
  if (edge_.size() <= level) {
    edge_.resize(level + 1);
    touched_.resize(level + 1);
  }
  std::vector<Hash>& tile = edge_[level];
  tile.push_back(hash);
  touched_[level] = true;
  if (tile.size() < kTileWidth) return;
  // Full: only now does it count one level up.
  const uint64_t index = size_ >> (8 * (level + 1));
  const Hash root = RootOf(tile);
  full_[{static_cast<int>(level), index}] = std::exchange(tile, {});
  touched_[level] = false;
  AppendAt(level + 1, root);
}

Hash GrowingTree::Root() const {
  // From the lowest level up: what hangs off the right end of a level is its last, smaller subtree.
  std::vector<Hash> below;
  for (const std::vector<Hash>& tile : edge_) {
    std::vector<Hash> level = tile;
    level.insert(level.end(), below.begin(), below.end());
    below.clear();
    if (!level.empty()) below.push_back(RootOf(level));
  }
  return RootOf(below);
}

std::map<TileId, std::vector<Hash>> GrowingTree::TakeChanged() {
  std::map<TileId, std::vector<Hash>> changed = std::exchange(full_, {});
  for (size_t level = 0; level < edge_.size(); ++level) {
    if (touched_[level] && !edge_[level].empty()) {
      changed[{static_cast<int>(level), size_ >> (8 * (level + 1))}] = edge_[level];
    }
    touched_[level] = false;
  }
  return changed;
}

}  // namespace assay::tlog
