// Tiles and entry bundles (c2sp.org/tlog-tiles): the log as files. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tlog/merkle.h"

namespace assay::tlog {

inline constexpr uint64_t kTileWidth = 256;  // hashes of a full tile, entries of a full bundle
inline constexpr int kMaxTileLevel = 7;      // what a 63-bit size needs; the format allows 63
inline constexpr size_t kMaxEntry = 65535;   // bytes

// Which tile: hash i of tile `index` at `level` is the root over 256^level leaves.
struct TileId {
  int level = 0;
  uint64_t index = 0;
  bool operator==(const TileId&) const = default;
  auto operator<=>(const TileId&) const = default;
};

// How many hashes the tile has in a tree of `size` leaves: 0 (it is not there) to 256.
uint64_t WidthOf(TileId tile, uint64_t size);
// How many tiles, the partial one included, a level has.
uint64_t TileCount(int level, uint64_t size);

// "tile/0/x001/234", "tile/1/000.p/17"; width 1 to 256, 256 without ".p".
std::string TilePath(TileId tile, uint64_t width);
// "tile/entries/x001/234", the same way.
std::string BundlePath(uint64_t index, uint64_t width);

struct ParsedPath {
  bool entries = false;
  TileId tile;  // level 0 for entries
  uint64_t width = kTileWidth;
};
// The reverse; FIELD_MALFORMED for anything those two would not write: leading zeros, ".p/0",
// ".p/256", a level above 63.
absl::StatusOr<ParsedPath> ParseTilePath(std::string_view path);

// A tile's bytes as hashes, and back. FIELD_MALFORMED when it is not exactly `width` hashes.
absl::StatusOr<std::vector<Hash>> HashesOf(ByteView tile, uint64_t width);
Bytes BytesOf(std::span<const Hash> hashes);

// Big-endian uint16 length, then the entry. FIELD_TOO_LONG above kMaxEntry.
absl::Status AppendToBundle(Bytes& bundle, ByteView entry);
// FIELD_MALFORMED when it is not exactly `width` entries.
absl::StatusOr<std::vector<Bytes>> EntriesOf(ByteView bundle, uint64_t width);

}  // namespace assay::tlog
