// ECDSA verification for a key that is asked often: u2*Q from a table made once, as OpenSSL has one
// for the base point.
#pragma once

#include <openssl/ec.h>

#include <memory>

#include "base/bytes.h"
#include "matter/modular_inverse.h"

namespace assay::matter {

// Immutable and thread-safe. Making one takes as long as some hundreds of verifications and 150
// KiB; each verification then costs a quarter of ECDSA_do_verify.
class VerificationTables {
 public:
  // Null where OpenSSL cannot make tables for the curve on this processor.
  static std::unique_ptr<const VerificationTables> Make(const EC_POINT* public_key);

  // FIPS 186-4 6.4.2. `raw` has 64 bytes. Nothing here is secret, so nothing is constant-time.
  bool Verify(const Sha256Digest& digest, ByteView raw) const;

 private:
  using Group = std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)>;
  using Reduction = std::unique_ptr<BN_MONT_CTX, decltype(&BN_MONT_CTX_free)>;

  VerificationTables(Group base, Group key, Reduction order, Reduction field,
                     const ModularInverter& inverter);

  // Whether the point's x, modulo the order, is r.
  bool HasForX(const EC_POINT* point, const BIGNUM* r, BN_CTX* context) const;

  Group base_;                // generator G, OpenSSL's own table
  Group key_;                 // generator Q, the table made here
  Reduction order_;           // modulo the order of the group
  Reduction field_;           // modulo the prime of the field
  ModularInverter inverter_;  // modulo the order
};

}  // namespace assay::matter
