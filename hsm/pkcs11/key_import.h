// A private key that was in a file, brought into the token; for sandboxes.
#pragma once

#include <optional>
#include <string_view>

#include "base/secret.h"
#include "hsm/pkcs11/key_object.h"

namespace assay::pkcs11 {

// Nothing when the scalar is not 32 bytes, or not in [1, n-1].
std::optional<hsm::PublicPoint> PointOfScalar(const SecretBytes& scalar);

// Both halves as objects of the token. The private one is wrapped in: under an AES key (RFC 5649)
// that itself comes in under an RSA key the token makes for this one session (OAEP), so that the
// module never sees the scalar. A token that does not do all of that is handed the scalar
// (C_CreateObject); `wrapped` says which it was. HSM_KEY_UNFIT where it takes neither.
Step ImportPair(const Session& writable, std::string_view label, ByteView id,
                const SecretBytes& scalar, const hsm::PublicPoint& point, bool& wrapped);

}  // namespace assay::pkcs11
