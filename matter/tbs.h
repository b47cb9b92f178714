// Writing certificates: to-be-signed bytes, and the certificate from them and a signature. Pure,
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/certificate.h"
#include "matter/ecdsa.h"
#include "matter/name.h"

namespace assay::matter {

// Everything a v3 certificate of Matter's PKI says. Views must outlive the call only.
struct TbsFields {
  ByteView serial;  // big-endian magnitude, 1..20 octets
  ByteView issuer;  // whole Name, copied byte for byte
  Validity validity;
  ByteView subject;     // whole Name
  ByteView public_key;  // 65 bytes
  BasicConstraints basic_constraints;
  uint16_t key_usage = 0;     // bits of certificate.h
  ByteView subject_key_id;    // 20 bytes; empty: SHA-1 of public_key
  ByteView authority_key_id;  // 20 bytes; empty: no such extension
  // Whole Extension elements, written after the four. Matter wants none; test certificates have
  // them.
  std::vector<Bytes> more_extensions;
};

// BasicConstraints (critical), KeyUsage (critical, minimal), SKID, AKID, in that order.
Bytes EncodeTbs(const TbsFields& fields);

// Certificate from its TBS and r||s (64 bytes); also right for any SEQUENCE {tbs,
// ecdsa-with-SHA256, BIT STRING} (CRL, CSR).
Bytes AssembleCertificate(ByteView tbs, ByteView raw_signature);

// Fields of a sandbox authority, profile 1.3: the PAA signs itself (pathLen 1), the PAI is signed
// by it (pathLen 0).
struct AuthorityRequest {
  std::string_view common_name;
  std::optional<uint16_t> vid;  // required for a PAI
  std::optional<uint16_t> pid;  // PAI only
  Bytes serial;
  Validity validity;
  ByteView public_key;
};
absl::StatusOr<Bytes> EncodePaaTbs(const AuthorityRequest& request);
// Refuses (PAI_INVALID) what the PAA's own VID or validity forbids.
absl::StatusOr<Bytes> EncodePaiTbs(const AuthorityRequest& request, const Certificate& paa);

}  // namespace assay::matter
