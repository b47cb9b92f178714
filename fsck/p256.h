// Checks many ECDSA signatures over P-256 by few keys at several times OpenSSL's speed.
//
// A check is u1*G + u2*Q with Q one of the few keys of the house, so both products are sums of
// precomputed points (32 windows of 8 bits each), and no point is ever doubled. The sums of a whole
// batch advance together in affine coordinates: one inversion in the field serves all of them. All
// values are public: nothing here runs in constant time, and nothing here may sign.
#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/ecdsa.h"

namespace assay::fsck {

// A public key with its multiples, half a megabyte. Immutable, thread-safe; copies share it.
class FixedKey {
 public:
  // About ten milliseconds. FIELD_MALFORMED where it is no point of 65 bytes on the curve.
  static absl::StatusOr<FixedKey> Make(ByteView point);

  struct Table;
  const Table& table() const { return *table_; }
  const matter::SignatureVerifier& verifier() const { return verifier_; }

 private:
  FixedKey(std::shared_ptr<const Table> table, matter::SignatureVerifier verifier)
      : table_(std::move(table)), verifier_(std::move(verifier)) {}
  std::shared_ptr<const Table> table_;
  matter::SignatureVerifier verifier_;
};

struct SignatureCheck {
  const FixedKey* key = nullptr;
  Sha256Digest digest{};
  matter::RawSignature signature{};
  bool right = false;  // the answer
};

// Answers each check. What this arithmetic does not find right is asked of OpenSSL once more, so
// that a fault of ours can cost time, but never accuse a right signature. Thread-safe.
void CheckSignatures(std::span<SignatureCheck> checks);

}  // namespace assay::fsck
