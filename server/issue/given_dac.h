// A DAC that was made elsewhere and comes with the request (ATTESTATION_GIVEN).
#pragma once

#include "absl/status/status.h"
#include "base/clock.h"
#include "server/issue/work.h"

namespace assay::issue {

// Takes certificate, key and PAI into the work after checking both formats, the chain, vendor and
// product, the key pair and the dates. DAC_INVALID or PAI_INVALID with the rule.
absl::Status TakeGivenDac(Work& work, const Clock& clock);

}  // namespace assay::issue
