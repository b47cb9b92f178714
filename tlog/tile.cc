#include "tlog/tile.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {
namespace {

// In groups of three digits, all but the last with an x.
std::string IndexPath(uint64_t index) {
  char group[8];
  std::snprintf(group, sizeof group, "%03d", static_cast<int>(index % 1000));
  std::string path = group;
  while (index >= 1000) {
    index /= 1000;
    std::snprintf(group, sizeof group, "x%03d", static_cast<int>(index % 1000));
    path = absl::StrCat(group, "/", path);
  }
  return path;
}

std::string WithWidth(std::string path, uint64_t width) {
  return width == kTileWidth ? path : absl::StrCat(path, ".p/", width);
}

// A decimal number without leading zeros.
bool ReadNumber(std::string_view text, uint64_t& number) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadIndex(std::string_view text, uint64_t& index) {
  if (text.size() > 4 * 7) return false;
  std::string digits;
  for (bool last = false; !last;) {
    const size_t slash = text.find('/');
    last = slash == text.npos;
    std::string_view group = text.substr(0, slash);
    if (!last) {
      if (group.empty() || group[0] != 'x') return false;
      group.remove_prefix(1);
      text.remove_prefix(slash + 1);
    }
    if (group.size() != 3 ||
        !std::all_of(group.begin(), group.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    digits += group;
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

uint64_t WidthOf(TileId tile, uint64_t size) {
  if (tile.level < 0 || tile.level > kMaxTileLevel) return 0;
  const uint64_t hashes = size >> (8 * tile.level);
  if (tile.index > hashes / kTileWidth) return 0;
  return std::min(kTileWidth, hashes - tile.index * kTileWidth);
}

uint64_t TileCount(int level, uint64_t size) {
  if (level < 0 || level > kMaxTileLevel) return 0;
  const uint64_t hashes = size >> (8 * level);
  return hashes / kTileWidth + (hashes % kTileWidth == 0 ? 0 : 1);
}

std::string TilePath(TileId tile, uint64_t width) {
  return WithWidth(absl::StrCat("tile/", tile.level, "/", IndexPath(tile.index)), width);
}

std::string BundlePath(uint64_t index, uint64_t width) {
  return WithWidth(absl::StrCat("tile/entries/", IndexPath(index)), width);
}

absl::StatusOr<ParsedPath> ParseTilePath(std::string_view path) {
  const absl::Status bad =
      RefuseField(Reason::FIELD_MALFORMED, "path", std::string(path.substr(0, 80)),
                  "tile/<level>/<index>[.p/<width>] or tile/entries/...");
  constexpr std::string_view kTile = "tile/", kPartial = ".p/";
  ParsedPath parsed;
  std::string_view rest = path;
  if (!rest.starts_with(kTile)) return bad;
  rest.remove_prefix(kTile.size());
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return bad;
  const std::string_view level = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  parsed.entries = level == "entries";
  uint64_t number = 0;
  if (!parsed.entries && (!ReadNumber(level, number) || number > 63)) return bad;
  parsed.tile.level = static_cast<int>(number);
  const size_t partial = rest.find(kPartial);
  if (partial != rest.npos) {
    if (!ReadNumber(rest.substr(partial + kPartial.size()), parsed.width) || parsed.width == 0 ||
        parsed.width >= kTileWidth) {
      return bad;
    }
    rest = rest.substr(0, partial);
  }
  if (!ReadIndex(rest, parsed.tile.index)) return bad;
  // Only one spelling a tile.
  const std::string again = parsed.entries ? BundlePath(parsed.tile.index, parsed.width)
                                           : TilePath(parsed.tile, parsed.width);
  if (again != path) return bad;
  return parsed;
}

absl::StatusOr<std::vector<Hash>> HashesOf(ByteView tile, uint64_t width) {
  if (width > kTileWidth || tile.size() != width * sizeof(Hash)) {
    return RefuseField(Reason::FIELD_MALFORMED, "tile", absl::StrCat(tile.size(), " bytes"),
                       absl::StrCat("must be ", width, " hashes of 32 bytes"));
  }
  std::vector<Hash> hashes(width);
  for (size_t i = 0; i < width; ++i) {
    std::copy_n(tile.begin() + static_cast<std::ptrdiff_t>(i * sizeof(Hash)), sizeof(Hash),
                hashes[i].begin());
  }
  return hashes;
}

Bytes BytesOf(std::span<const Hash> hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * sizeof(Hash));
  for (const Hash& hash : hashes) Append(bytes, hash);
  return bytes;
}

absl::Status AppendToBundle(Bytes& bundle, ByteView entry) {
  if (entry.size() > kMaxEntry) {
    return RefuseField(Reason::FIELD_TOO_LONG, "entry", absl::StrCat(entry.size(), " bytes"),
                       "at most 65535 bytes");
  }
  bundle.push_back(static_cast<uint8_t>(entry.size() >> 8));
  bundle.push_back(static_cast<uint8_t>(entry.size()));
  Append(bundle, entry);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Bytes>> EntriesOf(ByteView bundle, uint64_t width) {
  std::vector<Bytes> entries;
  while (bundle.size() >= 2 && entries.size() < width) {
    const size_t size = static_cast<size_t>(bundle[0]) << 8 | bundle[1];
    if (bundle.size() < 2 + size) break;
    entries.push_back(ToBytes(bundle.subspan(2, size)));
    bundle = bundle.subspan(2 + size);
  }
  if (!bundle.empty() || entries.size() != width) {
    return RefuseField(Reason::FIELD_MALFORMED, "bundle", "",
                       absl::StrCat("must be exactly ", width, " entries with their lengths"));
  }
  return entries;
}

}  // namespace assay::tlog
