// The values of the product's extra keys, from the request or from the product.
#pragma once

#include "absl/status/status.h"
#include "server/issue/work.h"

namespace assay::issue {

// Step 3: fills `work.extra`.
absl::Status FillExtraValues(Work& work);

// What the making of the image refused, in the request's terms. The product's own content was found
// to fit when it was applied, so it is the request's values that do not, and nearly always the
// extra ones; what they are is not told.
absl::Status OfExtraValues(const Work& work, const absl::Status& refused);

}  // namespace assay::issue
