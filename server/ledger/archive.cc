#include "server/ledger/archive.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tlog/receipt.h"

namespace assay::ledger {

Archive::Archive(std::shared_ptr<db::LedgerStore> store)
    : store_(std::move(store)), reader_(store_) {}

absl::StatusOr<db::LedgerCheckpoint> Archive::CheckpointFor(uint64_t size) {
  if (size != 0) {
    const auto head = store_->ReadHead();
    if (!head.ok()) return head.status();
    if (size > head->size) {
      return RefuseField(Reason::LEDGER_UNKNOWN, "size", absl::StrCat(size),
                         absl::StrCat("must be at most the ", head->size, " entries there are"));
    }
  }
  auto found = size == 0 ? store_->LatestCheckpoint() : store_->FirstCheckpointOf(size);
  if (!found.ok()) return found.status();
  if (found->has_value()) return **std::move(found);
  return Refuse(Reason::LEDGER_PENDING,
                size == 0 ? std::string("nothing is signed yet")
                          : absl::StrCat("no checkpoint covers ", size, " entries yet"));
}

absl::StatusOr<uint64_t> Archive::PlacedEntries() {
  const auto head = store_->ReadHead();
  if (!head.ok()) return head.status();
  return head->size;
}

absl::Status Archive::Unsigned(absl::string_view field, uint64_t value, bool is_index,
                               uint64_t signed_size) {
  const auto placed = PlacedEntries();
  if (!placed.ok()) return placed.status();
  const bool soon = is_index ? value < *placed : value <= *placed;
  return RefuseField(
      soon ? Reason::LEDGER_PENDING : Reason::LEDGER_UNKNOWN, field, absl::StrCat(value),
      soon ? absl::StrCat("is not under a checkpoint yet, ", signed_size, " entries are")
           : absl::StrCat("lies beyond the ", *placed, " entries there are"));
}

absl::StatusOr<uint64_t> Archive::SizeWithin(uint64_t size) {
  const auto newest = CheckpointFor(0);
  if (!newest.ok()) return newest.status();
  if (size <= newest->size) return size == 0 ? newest->size : size;
  return Unsigned("size", size, false, newest->size);
}

absl::StatusOr<Archive::Proof> Archive::Inclusion(uint64_t index, uint64_t size) {
  const auto within = SizeWithin(size);
  if (!within.ok()) return within.status();
  if (index >= *within && size == 0) return Unsigned("index", index, true, *within);
  if (index >= *within) {
    return RefuseField(Reason::LEDGER_UNKNOWN, "index", absl::StrCat(index),
                       absl::StrCat("must be below the size, ", *within));
  }
  tlog::Prover prover(reader_, *within);
  auto path = prover.Inclusion(index);
  if (!path.ok()) return path.status();
  const auto leaf = prover.Leaf(index);
  if (!leaf.ok()) return leaf.status();
  return Proof{*std::move(path), *leaf, *within};
}

absl::StatusOr<Archive::Proof> Archive::Consistency(uint64_t old_size, uint64_t size) {
  const auto within = SizeWithin(size);
  if (!within.ok()) return within.status();
  if (old_size > *within && size == 0) return Unsigned("old_size", old_size, false, *within);
  if (old_size > *within) {
    return RefuseField(Reason::LEDGER_UNKNOWN, "old_size", absl::StrCat(old_size),
                       absl::StrCat("must be at most the size, ", *within));
  }
  auto path = tlog::Prover(reader_, *within).Consistency(old_size);
  if (!path.ok()) return path.status();
  return Proof{*std::move(path), {}, *within};
}

absl::StatusOr<std::vector<MadeReceipt>> Archive::ReceiptsOf(const std::string& device_id) {
  const auto newest = CheckpointFor(0);
  if (!newest.ok()) return newest.status();
  return ReceiptsUnder(device_id, *newest);
}

absl::StatusOr<std::vector<MadeReceipt>> Archive::ReceiptsUnder(
    const std::string& device_id, const db::LedgerCheckpoint& checkpoint) {
  const auto places = store_->FindDeviceEntries(device_id);
  if (!places.ok()) return places.status();
  tlog::Prover prover(reader_, checkpoint.size);
  std::vector<MadeReceipt> receipts;
  for (const uint64_t index : *places) {
    if (index >= checkpoint.size) break;
    auto path = prover.Inclusion(index);
    if (!path.ok()) return path.status();
    auto leaves = store_->ReadLeaves(index, 1);
    if (!leaves.ok()) return leaves.status();
    const auto hash = prover.Leaf(index);
    if (!hash.ok()) return hash.status();
    if (leaves->empty() || tlog::LeafHash(AsBytes((*leaves)[0])) != *hash) {
      return Refuse(Reason::LEDGER_FORKED,
                    absl::StrCat("entry ", index, " was changed, moved or taken away"));
    }
    MadeReceipt made{index, std::move((*leaves)[0]), {}};
    made.text = tlog::WriteReceipt(
        {ToBytes(AsBytes(made.entry)), index, *std::move(path), checkpoint.note});
    receipts.push_back(std::move(made));
  }
  if (!receipts.empty()) return receipts;
  return RefuseFor(Reason::LEDGER_PENDING, "the device's entry is not under a checkpoint yet",
                   std::chrono::milliseconds(500));
}

absl::StatusOr<Bytes> Archive::ReadTile(tlog::TileId tile, uint64_t width) {
  return reader_.ReadTile(tile, width);
}

absl::StatusOr<std::vector<std::string>> Archive::ReadEntries(uint64_t first, int count) {
  return store_->ReadLeaves(first, count);
}

}  // namespace assay::ledger
