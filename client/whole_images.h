// Images travel without the erased flash they end with; whoever reads them wants them whole.
#pragma once

#include "assay/v1/types.pb.h"

namespace assay::client {

// Puts back what was left out of the images by `leave_out_erased`. What is withheld, or whole
// already, stays as it is. A size no flash chip has is not believed: such an image stays short, and
// CheckIdentity finds that it does not have its SHA-256.
void MakeImagesWhole(v1::Identity& identity);

}  // namespace assay::client
