#include "server/ledger/store_reader.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::ledger {
namespace {

constexpr size_t kMaxKept = 2048;

}  // namespace

absl::StatusOr<Bytes> StoreReader::ReadTile(tlog::TileId tile, uint64_t width) {
  const size_t size = width * sizeof(tlog::Hash);
  {
    std::lock_guard lock(mutex_);
    const auto kept = full_.find(tile);
    if (kept != full_.end()) return ToBytes(ByteView(kept->second).first(size));
  }
  auto hashes = store_->ReadTile(tile.level, tile.index);
  if (!hashes.ok()) return hashes;
  if (hashes->size() < size) {
    return RefuseField(
        Reason::LEDGER_UNKNOWN, "width", absl::StrCat(width),
        absl::StrCat("the tile has only ", hashes->size() / sizeof(tlog::Hash), " hashes"));
  }
  if (hashes->size() == tlog::kTileWidth * sizeof(tlog::Hash)) {
    std::lock_guard lock(mutex_);
    if (full_.size() >= kMaxKept) full_.clear();
    full_[tile] = *hashes;
  }
  // A tile that has grown since begins with what it was.
  hashes->resize(size);
  return hashes;
}

absl::StatusOr<Bytes> StoreReader::ReadBundle(uint64_t index, uint64_t width) {
  const uint64_t first = index * tlog::kTileWidth;
  const auto leaves = store_->ReadLeaves(first, static_cast<int>(width));
  if (!leaves.ok()) return leaves.status();
  if (leaves->size() < width) {
    return RefuseField(Reason::LEDGER_UNKNOWN, "index", absl::StrCat(first + leaves->size()),
                       "there is no such entry");
  }
  Bytes bundle;
  for (const std::string& leaf : *leaves) {
    ASSAY_RETURN_IF_ERROR(tlog::AppendToBundle(bundle, AsBytes(leaf)));
  }
  return bundle;
}

}  // namespace assay::ledger
