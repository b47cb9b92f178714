// The SPAKE2+ verifier a device keeps instead of its passcode (Matter spec 3.10, 5.1.7):
//   ws = PBKDF2-HMAC-SHA256(passcode as four bytes little-endian, salt, iterations, 80 bytes)
//   w0 = ws[0..40) mod n, w1 = ws[40..80) mod n, L = w1 * G
//   verifier = w0 (32 bytes, big-endian) || L (65 bytes, uncompressed)
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"

namespace assay::matter {

inline constexpr size_t kVerifierSize = 97;
inline constexpr size_t kMinSaltSize = 16;
inline constexpr size_t kMaxSaltSize = 32;
inline constexpr uint32_t kMinIterations = 1000;
inline constexpr uint32_t kMaxIterations = 100000;

// Both are public: the device tells them to whoever starts a PASE session.
struct Spake2pParameters {
  uint32_t iterations = 0;
  Bytes salt = {};

  bool operator==(const Spake2pParameters&) const = default;
};

// FIELD_OUT_OF_RANGE on "<prefix>iterations" or "<prefix>salt" outside the limits above.
absl::Status CheckParameters(const Spake2pParameters& parameters, absl::string_view prefix = "");

// 16..32 random bytes; `size` outside the limits is brought to the nearer one.
Bytes DrawSalt(Random& random, size_t size = kMaxSaltSize);

// One verifier to be made. `verifier` and `status` are the answer: on OK the verifier holds
// kVerifierSize bytes, else it is empty. The verifier is a secret: 27 bits of passcode can be
// searched from it. One VerifierJob is touched by one thread only.
struct VerifierJob {
  uint32_t passcode = 0;
  Spake2pParameters parameters = {};
  SecretBytes verifier = {};
  absl::Status status = {};
};

// Makes all verifiers on the calling thread; the more jobs come at once the cheaper each is (see
// pbkdf2.h). Each job fails on its own: PASSCODE_FORBIDDEN, FIELD_OUT_OF_RANGE, INTERNAL.
// Everything in between (ws, w0, w1, pad states) is wiped. Thread-safe; keeps one curve context a
// thread.
void ComputeVerifiers(std::span<VerifierJob> jobs);

// Verifiers that are asked for while others are made.
class VerifierFeed {
 public:
  virtual ~VerifierFeed() = default;
  // The next job, or null where none waits now; it stays alive until Ended names it.
  virtual VerifierJob* Next() = 0;
  // The job has its answer. Jobs end in any order.
  virtual void Ended(VerifierJob& job) = 0;
  // All that end in one step have: what was gathered of them may go on.
  virtual void StepEnded() {}
};

// The same for as long as jobs come: until none waits and all are ended (see DeriveKeys of a feed).
void ComputeVerifiers(VerifierFeed& feed);

// The same for one.
absl::StatusOr<SecretBytes> ComputeVerifier(uint32_t passcode, const Spake2pParameters& parameters);

// A verifier made elsewhere: 97 bytes, 0 < w0 < n, L a point of the curve. FIELD_MALFORMED
// otherwise.
absl::Status CheckVerifierForm(ByteView verifier, absl::string_view field = "verifier");

// VERIFIER_MISMATCH when `verifier` was not made from these. Costs as much as making one. Compares
// in constant time.
absl::Status CheckVerifier(ByteView verifier, uint32_t passcode,
                           const Spake2pParameters& parameters,
                           absl::string_view field = "verifier");

}  // namespace assay::matter
