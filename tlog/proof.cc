#include "tlog/proof.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {

absl::StatusOr<Hash> Prover::FullSubtree(int height, uint64_t begin) {
  const int level = height / 8;
  const uint64_t first = begin >> (8 * level);
  const uint64_t count = uint64_t{1} << (height % 8);
  const TileId id{level, first / kTileWidth};
  auto tile = tiles_.find(id);
  if (tile == tiles_.end()) {
    const uint64_t width = WidthOf(id, size_);
    const auto bytes = reader_.ReadTile(id, width);
    if (!bytes.ok()) return bytes.status();
    auto hashes = HashesOf(*bytes, width);
    if (!hashes.ok()) return hashes.status();
    tile = tiles_.emplace(id, *std::move(hashes)).first;
  }
  const std::span<const Hash> hashes = tile->second;
  if (first % kTileWidth + count > hashes.size()) {
    return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat(TilePath(id, kTileWidth), " is too short"));
  }
  return RootOf(hashes.subspan(first % kTileWidth, count));
}

absl::StatusOr<Hash> Prover::Range(uint64_t begin, uint64_t end) {
  const uint64_t count = end - begin;
  if (count == 0) return EmptyRoot();
  if (std::has_single_bit(count)) return FullSubtree(std::countr_zero(count), begin);
  const uint64_t split = SplitOf(count);
  const auto left = Range(begin, begin + split);
  if (!left.ok()) return left;
  const auto right = Range(begin + split, end);
  if (!right.ok()) return right;
  return NodeHash(*left, *right);
}

absl::StatusOr<Hash> Prover::Root() { return Range(0, size_); }

absl::StatusOr<Hash> Prover::RootAt(uint64_t old_size) {
  if (old_size > size_) {
    return Refuse(Reason::LEDGER_UNKNOWN,
                  absl::StrCat("the ledger has ", size_, " entries, not ", old_size));
  }
  return Range(0, old_size);
}

absl::StatusOr<Hash> Prover::Leaf(uint64_t index) {
  if (index >= size_) {
    return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat("the ledger has no entry ", index));
  }
  return Range(index, index + 1);
}

absl::StatusOr<Path> Prover::Inclusion(uint64_t index) {
  if (index >= size_) {
    return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat("no entry ", index, " at size ", size_));
  }
  Path path;
  uint64_t begin = 0, end = size_;
  while (end - begin > 1) {
    const uint64_t split = SplitOf(end - begin);
    const bool left = index < begin + split;
    const auto sibling = left ? Range(begin + split, end) : Range(begin, begin + split);
    if (!sibling.ok()) return sibling.status();
    path.push_back(*sibling);
    (left ? end : begin) = begin + split;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

absl::StatusOr<Path> Prover::Consistency(uint64_t old_size) {
  if (old_size > size_) {
    return Refuse(Reason::LEDGER_UNKNOWN,
                  absl::StrCat("the ledger has ", size_, " entries, not ", old_size));
  }
  Path path;
  if (old_size == 0 || old_size == size_) return path;
  uint64_t begin = 0, end = size_;
  // The old tree's root is known to the verifier as long as the old tree is all there is to the
  // left: then its hash is not in the path.
  bool known = true;
  while (old_size != end) {
    const uint64_t split = SplitOf(end - begin);
    const bool left = old_size <= begin + split;
    const auto sibling = left ? Range(begin + split, end) : Range(begin, begin + split);
    if (!sibling.ok()) return sibling.status();
    path.push_back(*sibling);
    if (left) {
      end = begin + split;
    } else {
      begin += split;
      known = false;
    }
  }
  if (!known) {
    const auto own = Range(begin, end);
    if (!own.ok()) return own.status();
    path.push_back(*own);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace assay::tlog
