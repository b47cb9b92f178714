// QR codes of onboarding payloads, drawn as mfg_tool draws them. Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::image {

// Square, without quiet zone.
class QrMatrix {
 public:
  explicit QrMatrix(int size) : size_(size), dark_(static_cast<size_t>(size) * size) {}
  int size() const { return size_; }  // modules a side
  bool Dark(int column, int row) const {
    return dark_[static_cast<size_t>(row) * size_ + column] != 0;
  }
  void Set(int column, int row, bool dark) {
    dark_[static_cast<size_t>(row) * size_ + column] = dark;
  }

 private:
  int size_;
  std::vector<uint8_t> dark_;
};

// Level M, alphanumeric mode, the smallest version from 2 on. FIELD_MALFORMED for a character
// outside QR's alphanumeric set, FIELD_TOO_LONG where version 40 does not hold the text.
absl::StatusOr<QrMatrix> EncodeQr(std::string_view text);

inline constexpr int kQrScale = 6;      // pixels a module
inline constexpr int kQrQuietZone = 4;  // modules

// 1-bit greyscale PNG; a version 2 code gives 198 x 198 pixels.
Bytes RenderQrPng(const QrMatrix& matrix, int scale = kQrScale, int quiet_zone = kQrQuietZone);
// A self-contained SVG document, one unit a module, a single path.
std::string RenderQrSvg(const QrMatrix& matrix, int quiet_zone = kQrQuietZone);
// UTF-8 half blocks, two rows of modules a line, for terminals with a dark background (light
// modules are drawn).
std::string RenderQrText(const QrMatrix& matrix, int quiet_zone = 2);

}  // namespace assay::image
