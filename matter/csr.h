// PKCS#10 (RFC 2986): requests of devices, checked; requests for PAI certificates, written.
#pragma once

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/ecdsa.h"

namespace assay::matter {

inline constexpr size_t kMaxCsrSize = 1024;

struct Csr {
  P256Point public_key{};
  Bytes subject;  // whole Name; never used for the DAC's subject
};

// Proof that the sender holds the key. CSR_TOO_LARGE, CSR_MALFORMED, CSR_CURVE (another curve, or a
// point not on it), CSR_SIGNATURE. Attributes are read over. Thread-safe.
absl::StatusOr<Csr> ParseCsr(ByteView der, size_t max_size = kMaxCsrSize);
// DER or one PEM block "CERTIFICATE REQUEST" (or "NEW CERTIFICATE REQUEST").
absl::StatusOr<Bytes> CsrDerFrom(ByteView der_or_pem);

// CertificationRequestInfo to be signed (SHA-256) by the key of `point`; no attributes.
Bytes EncodeCsrInfo(ByteView subject, ByteView point);
// The request from it and r||s.
Bytes AssembleCsr(ByteView info, ByteView raw_signature);

}  // namespace assay::matter
