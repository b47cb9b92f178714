// Choosing a QR code's mask as the reference tool's library does, so that pictures agree module for
// module.
#pragma once

#include <vector>

#include "image/qr.h"

namespace assay::image {

// `matrix` is a complete code of level M under any mask; it is put under the mask of the lowest
// penalty, the first among equals, and its format bits are rewritten. `maskable` says of each
// module, row by row, whether it is data.
void ChooseReferenceMask(QrMatrix& matrix, const std::vector<bool>& maskable);

}  // namespace assay::image
