// What a token's signature and point can be checked with: P-256 by OpenSSL, no key material.
#pragma once

#include "base/bytes.h"
#include "hsm/token.h"

namespace assay::hsm {

// True when r || s is a signature over `digest` by the key whose public point is `point`; false
// also for a point off the curve. About 65 us. Thread-safe.
bool VerifySignature(const PublicPoint& point, const Sha256Digest& digest,
                     const RawSignature& signature);

// True for an uncompressed point that lies on P-256.
bool IsOnP256(const PublicPoint& point);

}  // namespace assay::hsm
