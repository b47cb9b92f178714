// What the image tests share: vectors as bytes, and a source of repeatable random bytes.
#pragma once

#include <random>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/random.h"
#include "image/csv.h"
#include "tests/vectors/vectors.h"

namespace assay::image {

inline std::optional<Bytes> MfgVector(std::string_view path) {
  const auto text = test::LoadVector("mfg_tool/" + std::string(path));
  if (!text) return std::nullopt;
  return ToBytes(AsBytes(*text));
}

// Entries of a generator's table; file cells are taken from beside the table.
inline absl::StatusOr<std::vector<NvsEntry>> VectorEntries(std::string_view path) {
  const auto text = test::LoadVector("mfg_tool/" + std::string(path));
  if (!text) return absl::NotFoundError(std::string(path));
  const std::string folder = std::string(path.substr(0, path.rfind('/') + 1));
  return ReadPartitionCsv(*text, path, [&](std::string_view file) -> absl::StatusOr<Bytes> {
    auto bytes = MfgVector(folder + std::string(file));
    if (!bytes) return absl::NotFoundError(std::string(file));
    return *bytes;
  });
}

class RepeatableRandom final : public Random {
 public:
  explicit RepeatableRandom(uint64_t seed) : engine_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }
  uint64_t Below(uint64_t limit) { return engine_() % limit; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace assay::image

#define ASSAY_NEED_VECTORS() \
  if (!assay::image::MfgVector("crc32_esp.json")) GTEST_SKIP() << assay::test::kNoVectors
