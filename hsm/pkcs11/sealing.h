// AES-256-GCM by a key in the token.
#pragma once

#include "hsm/pkcs11/token_link.h"

namespace assay::pkcs11 {

inline constexpr size_t kSealNonceBytes = 12;
inline constexpr size_t kSealTagBytes = 16;

// `sealed` is nonce || room for ciphertext and tag, with the nonce filled in.
Step SealWith(const Session& session, CK_OBJECT_HANDLE key, ByteView plaintext, ByteView associated,
              Bytes& sealed);
// `room` holds the ciphertext's length and one block more; `size` is how much of it is filled.
// HSM_DATA_REJECTED for bytes that were changed.
Step UnsealWith(const Session& session, CK_OBJECT_HANDLE key, ByteView sealed, ByteView associated,
                SecretBytes& room, CK_ULONG& size);

}  // namespace assay::pkcs11
