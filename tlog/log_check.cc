#include "tlog/log_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tlog/growing_tree.h"

namespace assay::tlog {
namespace {

class Checking {
 public:
  Checking(LogReader& reader, const Checkpoint& checkpoint, const EntryVisitor& visit)
      : reader_(reader), checkpoint_(checkpoint), visit_(visit) {}

  absl::StatusOr<LogFindings> Run() {
    const uint64_t bundles = TileCount(0, checkpoint_.size);
    for (uint64_t index = 0; index < bundles && !ended_; ++index) {
      ASSAY_RETURN_IF_ERROR(Bundle(index));
      for (const auto& [id, hashes] : tree_.TakeChanged()) {
        // A partial tile is judged when it is as wide as it will be.
        if (hashes.size() == WidthOf(id, checkpoint_.size)) ASSAY_RETURN_IF_ERROR(Tile(id, hashes));
      }
    }
    if (tree_.size() == checkpoint_.size && tree_.Root() != checkpoint_.root) {
      Fault(absl::StrCat("the entries do not lead to the root signed at size ", checkpoint_.size));
    }
    return findings_;
  }

 private:
  void Fault(std::string what) {
    if (findings_.faults.size() < LogFindings::kMost) {
      findings_.faults.push_back(std::move(what));
    } else {
      ++findings_.more_faults;
    }
  }

  // True when the read may be judged; a missing or malformed file is a finding.
  template <typename Value>
  absl::StatusOr<bool> Judge(const absl::StatusOr<Value>& value, const std::string& path) {
    if (value.ok()) return true;
    const absl::Status& status = value.status();
    if (!HasReason(status, Reason::LEDGER_UNKNOWN) && !HasReason(status, Reason::FIELD_MALFORMED) &&
        !HasReason(status, Reason::LEDGER_FORKED)) {
      return status;
    }
    Fault(absl::StrCat(path, ": ", status.message()));
    return false;
  }

  absl::Status Bundle(uint64_t index) {
    const uint64_t width = WidthOf({0, index}, checkpoint_.size);
    const std::string path = BundlePath(index, width);
    const auto bytes = reader_.ReadBundle(index, width);
    const absl::StatusOr<std::vector<Bytes>> entries =
        bytes.ok() ? EntriesOf(*bytes, width) : bytes.status();
    const auto readable = Judge(entries, path);
    if (!readable.ok()) return readable.status();
    const auto tile = TileHashes({0, index}, width);
    if (!tile.ok()) return tile.status();
    if (!*readable) {
      // Its hashes still let the rest of the log be checked.
      for (const Hash& hash : *tile) tree_.Append(hash);
      if (tile->size() != width) {
        Fault(absl::StrCat("nothing after entry ", tree_.size(), " could be checked"));
        ended_ = true;
      }
      return absl::OkStatus();
    }
    for (size_t i = 0; i < entries->size(); ++i) {
      const Hash leaf = LeafHash((*entries)[i]);
      const uint64_t place = index * kTileWidth + i;
      if (i < tile->size() && leaf != (*tile)[i]) {
        Fault(absl::StrCat("entry ", place,
                           " was changed, moved or taken away: it has not the hash ",
                           TilePath({0, index}, width), " holds"));
      }
      if (visit_) visit_(place, (*entries)[i]);
      tree_.Append(leaf);
      ++findings_.entries;
    }
    return absl::OkStatus();
  }

  // Empty where the tile is missing.
  absl::StatusOr<std::vector<Hash>> TileHashes(TileId id, uint64_t width) {
    const auto bytes = reader_.ReadTile(id, width);
    absl::StatusOr<std::vector<Hash>> hashes =
        bytes.ok() ? HashesOf(*bytes, width) : bytes.status();
    const auto readable = Judge(hashes, TilePath(id, width));
    if (!readable.ok()) return readable.status();
    if (!*readable) return std::vector<Hash>();
    ++findings_.tiles;
    return hashes;
  }

  absl::Status Tile(TileId id, const std::vector<Hash>& computed) {
    if (id.level == 0) return absl::OkStatus();  // compared hash by hash with the entries
    const auto hashes = TileHashes(id, computed.size());
    if (!hashes.ok()) return hashes.status();
    for (size_t i = 0; i < hashes->size(); ++i) {
      if ((*hashes)[i] != computed[i]) {
        Fault(absl::StrCat(TilePath(id, computed.size()), ": hash ", i,
                           " is not that of the entries below it"));
      }
    }
    return absl::OkStatus();
  }

  LogReader& reader_;
  const Checkpoint& checkpoint_;
  const EntryVisitor& visit_;
  GrowingTree tree_;
  LogFindings findings_;
  bool ended_ = false;
};

}  // namespace

absl::StatusOr<LogFindings> CheckLog(LogReader& reader, const Checkpoint& checkpoint,
                                     const EntryVisitor& visit) {
  return Checking(reader, checkpoint, visit).Run();
}

absl::Status CheckGrowth(LogReader& reader, const Checkpoint& earlier, const Checkpoint& later) {
  if (later.size < earlier.size) {
    return Refuse(
        Reason::CHECKPOINT_STALE,
        absl::StrCat("the log shows ", later.size, " entries, but has signed ", earlier.size));
  }
  Prover prover(reader, later.size);
  const auto path = prover.Consistency(earlier.size);
  if (!path.ok()) return path.status();
  return VerifyConsistency(earlier.size, earlier.root, later.size, later.root, *path);
}

}  // namespace assay::tlog
