// A device that makes its own key.
#pragma once

#include "base/bytes.h"

namespace assay::bench {

// A PKCS#10 request, DER, by a fresh P-256 key that is then forgotten.
Bytes MakeDeviceRequest();

}  // namespace assay::bench
