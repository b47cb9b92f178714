// Label sheets for a lot: product name, serial number, QR code and manual code of each unit, in a
// grid, as SVG pages or as one PDF. Pure functions, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::image {

struct LabelUnit {
  std::string product_name;
  std::string serial_number;
  std::string qr_text;      // "MT:..."
  std::string manual_code;  // as printed, "3497-011-2332"
};

// Millimetres. The default is A4 with 3 x 8 labels.
struct LabelSheet {
  double page_width = 210, page_height = 297;
  int columns = 3, rows = 8;
  double margin_left = 7, margin_top = 13;
  double label_width = 64, label_height = 33.5;
  double gap_x = 2, gap_y = 0.3;
  double qr_side = 24;  // with quiet zone
};

// FIELD_OUT_OF_RANGE where the grid leaves the page or the QR its label; FIELD_MALFORMED for a bad
// QR text.
absl::StatusOr<std::vector<std::string>> RenderLabelSvgPages(const std::vector<LabelUnit>& units,
                                                             const LabelSheet& sheet);
absl::StatusOr<Bytes> RenderLabelPdf(const std::vector<LabelUnit>& units, const LabelSheet& sheet);

}  // namespace assay::image
