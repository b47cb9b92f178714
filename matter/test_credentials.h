// connectedhomeip's published test credentials: their private keys are public, so production
// refuses them.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace assay::matter {

// FFF1..FFF4 are vendors for tests (Matter 2.5.2); no product is sold under them.
constexpr bool IsTestVendor(uint16_t vendor_id) {
  return vendor_id >= 0xFFF1 && vendor_id <= 0xFFF4;
}

// Whether SHA-1 of the 65-byte point is that of a PAA or PAI key published with the SDK. Judge by
// the key and not by the certificate's SKID, which its maker chooses.
bool IsTestAuthorityKey(ByteView public_key);
// Whether the key id names the SDK's CD signer.
bool IsTestCdSigner(ByteView key_id);

}  // namespace assay::matter
