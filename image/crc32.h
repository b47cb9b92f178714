// CRC-32 (IEEE 802.3, reflected) as NVS, key partitions and secure-cert entries use it: the
// register starts at 0, final XOR 0xFFFFFFFF. Pure function, thread-safe.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace assay::image {

uint32_t EspCrc32(ByteView bytes);

}  // namespace assay::image
