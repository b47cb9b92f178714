// ECDSA over P-256 as Matter uses it: raw r||s of 64 bytes, DER of the same, points of 65 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::matter {

inline constexpr size_t kP256PointSize = 65;
inline constexpr size_t kRawSignatureSize = 64;
using P256Point = std::array<uint8_t, kP256PointSize>;
using RawSignature = std::array<uint8_t, kRawSignatureSize>;
using KeyId = std::array<uint8_t, 20>;

// 65 bytes, 0x04 first, on the curve, not infinity. FIELD_MALFORMED otherwise.
absl::StatusOr<P256Point> CheckP256Point(ByteView point);
// SHA-1 over the 65 bytes (RFC 5280 4.2.1.2 method 1).
KeyId KeyIdOf(ByteView point);

// SEQUENCE of two minimal INTEGERs, 8..72 bytes. `raw` has 64 bytes.
Bytes SignatureToDer(ByteView raw);
// Strict DER; r and s at most 32 octets. FIELD_MALFORMED otherwise.
absl::StatusOr<RawSignature> SignatureFromDer(ByteView der);

// A public key kept ready for many checks. Immutable and thread-safe after construction; copies
// share the key. One check costs one ECDSA verification and no key parsing.
class SignatureVerifier {
 public:
  static absl::StatusOr<SignatureVerifier> Make(ByteView point);

  // `digest` is SHA-256 of the message, `raw` r||s. False for anything but a right signature.
  bool Verify(const Sha256Digest& digest, ByteView raw) const;
  bool VerifyMessage(ByteView message, ByteView raw) const;
  const P256Point& point() const { return point_; }

 private:
  friend void VerifyAll(std::span<struct SignatureCheck> checks);
  class Key;

  SignatureVerifier() = default;
  P256Point point_{};
  std::shared_ptr<const Key> key_;
};

// One of several signatures that are checked together, of any keys.
struct SignatureCheck {
  const SignatureVerifier* key = nullptr;
  Sha256Digest digest{};
  RawSignature raw{};
  bool right = false;  // the answer
};
// Answers each as Verify would. Those whose keys are asked often are checked eight side by side
// where the processor has AVX-512 IFMA: eight of them in the time of one and a half.
void VerifyAll(std::span<SignatureCheck> checks);

// Whether VerifyAll does so here: the processor can, and ASSAY_ECDSA_KERNEL is not "openssl".
bool VerifiesSideBySide();

}  // namespace assay::matter
