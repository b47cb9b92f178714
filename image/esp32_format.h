// Espressif's images: NVS factory partition, plain or encrypted, and the esp_secure_cert partition,
// in every combination mfg_tool knows and those it does not (HMAC scheme, eFuse key without a copy
// in flash).
#pragma once

#include "image/image.h"

namespace assay::image {

// The one instance; lives for ever, thread-safe.
const ImageFormat& Esp32Format();

}  // namespace assay::image
