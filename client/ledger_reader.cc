#include "client/ledger_reader.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/files.h"
#include "tlog/receipt.h"

namespace assay::client {
namespace {

namespace fs = std::filesystem;
using Ledger = v1::LedgerService::Stub;

// The first `width` entries of a bundle that may hold more.
absl::StatusOr<Bytes> FirstEntries(const Bytes& bundle, uint64_t width) {
  size_t at = 0;
  for (uint64_t i = 0; i < width; ++i) {
    if (bundle.size() < at + 2) return Refuse(Reason::LEDGER_UNKNOWN, "the bundle is too short");
    at += 2 + (static_cast<size_t>(bundle[at]) << 8 | bundle[at + 1]);
  }
  if (at > bundle.size()) return Refuse(Reason::LEDGER_UNKNOWN, "the bundle is too short");
  return Bytes(bundle.begin(), bundle.begin() + static_cast<std::ptrdiff_t>(at));
}

// Writes a file that must not exist with other content.
absl::Status Keep(const std::string& folder, const std::string& path, ByteView content) {
  const std::string file = PathBelow(folder, path);
  if (PathExists(file)) {
    const auto before = ReadFile(file);
    if (!before.ok()) return before.status();
    if (std::equal(before->begin(), before->end(), content.begin(), content.end())) {
      return absl::OkStatus();
    }
    return Refuse(Reason::LEDGER_FORKED,
                  absl::StrCat(path, " in the folder is not what the ledger holds now"));
  }
  ASSAY_RETURN_IF_ERROR(MakeFolder(fs::path(file).parent_path().string()));
  return WriteFile(file, content, kPublicFile);
}

absl::Status CheckFormer(tlog::LogReader& log, const tlog::Checkpoint& checkpoint,
                         const std::string& file) {
  if (!PathExists(file)) return absl::OkStatus();
  const auto text = ReadTextFile(file);
  if (!text.ok()) return text.status();
  const auto note = tlog::ParseNote(*text);
  if (!note.ok()) return Within(file, note.status());
  const auto former = tlog::ParseCheckpoint(note->text);
  if (!former.ok()) return Within(file, former.status());
  const absl::Status grown = tlog::CheckGrowth(log, *former, checkpoint);
  if (!HasReason(grown, Reason::PROOF_INVALID)) return grown;
  return Refuse(Reason::LEDGER_FORKED,
                "the folder holds a log of which this ledger is no continuation");
}

}  // namespace

absl::StatusOr<tlog::NoteKey> ReadVerifierKey(const std::string& flag, const std::string& given) {
  std::string text = given;
  if (PathExists(given)) {
    auto file = ReadTextFile(given);
    if (!file.ok()) return file.status();
    text = file->substr(0, file->find('\n'));
  }
  auto key = tlog::NoteKey::Parse(text);
  if (!key.ok()) return Within(flag, key.status());
  return key;
}

ServerLog::ServerLog(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)),
      stub_(v1::LedgerService::NewStub(connection_->channel())) {}

absl::StatusOr<Bytes> ServerLog::ReadTile(tlog::TileId tile, uint64_t width) {
  v1::ReadTileRequest request;
  request.set_level(static_cast<uint32_t>(tile.level));
  request.set_index(tile.index);
  request.set_width(static_cast<uint32_t>(width));
  const auto response = connection_->Call(*stub_, &Ledger::ReadTile, request);
  if (!response.ok()) return response.status();
  return ToBytes(AsBytes(response->hashes()));
}

absl::StatusOr<Bytes> ServerLog::ReadBundle(uint64_t index, uint64_t width) {
  v1::ReadEntriesRequest request;
  request.set_first(index * tlog::kTileWidth);
  request.set_count(static_cast<uint32_t>(width));
  const auto response = connection_->Call(*stub_, &Ledger::ReadEntries, request);
  if (!response.ok()) return response.status();
  if (static_cast<uint64_t>(response->entries_size()) != width) {
    return Refuse(Reason::LEDGER_UNKNOWN,
                  absl::StrCat("the server has no entry ",
                               request.first() + static_cast<uint64_t>(response->entries_size())));
  }
  Bytes bundle;
  for (const std::string& entry : response->entries()) {
    ASSAY_RETURN_IF_ERROR(tlog::AppendToBundle(bundle, AsBytes(entry)));
  }
  return bundle;
}

absl::StatusOr<Bytes> FolderLog::ReadTile(tlog::TileId tile, uint64_t width) {
  std::string path = PathBelow(folder_, tlog::TilePath(tile, width));
  if (PathExists(path)) return ReadFile(path);
  path = PathBelow(folder_, tlog::TilePath(tile, tlog::kTileWidth));
  if (!PathExists(path)) {
    return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat(tlog::TilePath(tile, width), " is missing"));
  }
  auto full = ReadFile(path);
  if (!full.ok()) return full;
  full->resize(std::min<size_t>(full->size(), width * sizeof(tlog::Hash)));
  return full;
}

absl::StatusOr<Bytes> FolderLog::ReadBundle(uint64_t index, uint64_t width) {
  std::string path = PathBelow(folder_, tlog::BundlePath(index, width));
  if (PathExists(path)) return ReadFile(path);
  path = PathBelow(folder_, tlog::BundlePath(index, tlog::kTileWidth));
  if (!PathExists(path)) {
    return Refuse(Reason::LEDGER_UNKNOWN,
                  absl::StrCat(tlog::BundlePath(index, width), " is missing"));
  }
  const auto full = ReadFile(path);
  if (!full.ok()) return full;
  return FirstEntries(*full, width);
}

absl::StatusOr<std::vector<std::string>> CheckLeftovers(FolderLog& log,
                                                        const tlog::Checkpoint& checkpoint) {
  std::vector<std::string> faults;
  std::error_code failed;
  const fs::path top(log.folder());
  for (fs::recursive_directory_iterator at(top / "tile", failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!at->is_regular_file()) continue;
    const std::string path = fs::relative(at->path(), top).generic_string();
    const auto parsed = tlog::ParseTilePath(path);
    if (!parsed.ok()) {
      faults.push_back(absl::StrCat(path, ": no tile has this name"));
      continue;
    }
    const uint64_t now = tlog::WidthOf(parsed->tile, checkpoint.size);
    if (parsed->width >= now) continue;  // compared with the entries already, or ahead
    const auto left = ReadFile(at->path().string());
    if (!left.ok()) return left.status();
    const auto whole =
        parsed->entries ? log.ReadBundle(parsed->tile.index, now) : log.ReadTile(parsed->tile, now);
    if (!whole.ok()) continue;  // named already
    if (left->size() > whole->size() || !std::equal(left->begin(), left->end(), whole->begin())) {
      faults.push_back(
          absl::StrCat(path, ": is no beginning of what is signed now: the log has forked"));
    }
  }
  std::sort(faults.begin(), faults.end());
  return faults;
}

absl::Status ExportTiles(tlog::LogReader& log, const tlog::Checkpoint& checkpoint,
                         const std::string& note, const std::string& folder,
                         const std::function<void(uint64_t done, uint64_t total)>& told) {
  const std::string file = PathBelow(folder, "checkpoint");
  ASSAY_RETURN_IF_ERROR(CheckFormer(log, checkpoint, file));
  ASSAY_RETURN_IF_ERROR(MakeFolder(folder));
  const uint64_t bundles = tlog::TileCount(0, checkpoint.size);
  for (uint64_t index = 0; index < bundles; ++index) {
    const uint64_t width = tlog::WidthOf({0, index}, checkpoint.size);
    const std::string path = tlog::BundlePath(index, width);
    // Full ones never change; `assay ledger verify` judges them.
    if (width < tlog::kTileWidth || !PathExists(PathBelow(folder, path))) {
      const auto bundle = log.ReadBundle(index, width);
      if (!bundle.ok()) return bundle.status();
      ASSAY_RETURN_IF_ERROR(Keep(folder, path, *bundle));
    }
    if (told) told(index + 1, bundles);
  }
  for (int level = 0; level <= tlog::kMaxTileLevel; ++level) {
    const uint64_t tiles = tlog::TileCount(level, checkpoint.size);
    for (uint64_t index = 0; index < tiles; ++index) {
      const tlog::TileId id{level, index};
      const uint64_t width = tlog::WidthOf(id, checkpoint.size);
      const std::string path = tlog::TilePath(id, width);
      if (width == tlog::kTileWidth && PathExists(PathBelow(folder, path))) continue;
      const auto tile = log.ReadTile(id, width);
      if (!tile.ok()) return tile.status();
      ASSAY_RETURN_IF_ERROR(Keep(folder, path, *tile));
    }
  }
  ASSAY_RETURN_IF_ERROR(SyncFileSystem(folder));
  return ReplaceFile(file, AsBytes(note), kPublicFile);
}

}  // namespace assay::client
