// Where the recorded vectors lie, and reading them. They are data of other projects and not part of
// the tree.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace assay::test {

inline constexpr std::string_view kNoVectors =
    "SKIPPED: no vectors (set ASSAY_VECTORS to their folder)";

inline std::filesystem::path VectorPath(std::string_view relative) {
  const char* folder = std::getenv("ASSAY_VECTORS");
  const std::filesystem::path root =
      folder != nullptr && *folder != '\0'
          ? std::filesystem::path(folder)
          : std::filesystem::path(ASSAY_SOURCE_DIR) / ".." / "shared" / "vectors";
  return root / relative;
}

// The file's bytes, or nothing where the vectors are absent: the test then skips with kNoVectors.
inline std::optional<std::string> LoadVector(std::string_view relative) {
  std::ifstream file(VectorPath(relative), std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::optional<nlohmann::json> LoadVectorJson(std::string_view relative) {
  const std::optional<std::string> text = LoadVector(relative);
  if (!text) return std::nullopt;
  return nlohmann::json::parse(*text);
}

// Rows of a comma separated file without its head line; no quoting.
inline std::optional<std::vector<std::vector<std::string>>> LoadVectorCsv(
    std::string_view relative) {
  const std::optional<std::string> text = LoadVector(relative);
  if (!text) return std::nullopt;
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(*text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    std::istringstream cells(line);
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    rows.push_back(std::move(row));
  }
  return rows;
}

// Bytes of a hex member that the vectors' makers are known to have written well.
inline Bytes HexOf(const nlohmann::json& member) {
  return FromHex(member.get<std::string>()).value();
}

}  // namespace assay::test
