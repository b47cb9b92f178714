#include "matter/ecdsa.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <algorithm>

#include "base/refusal.h"
#include "matter/der.h"

namespace assay::matter {
namespace {

// The low-level calls are used on purpose: EVP costs a context and a fetch for each check.
std::shared_ptr<EC_KEY> LoadKey(ByteView point) {
  std::shared_ptr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), EC_KEY_free);
  if (key == nullptr || EC_KEY_oct2key(key.get(), point.data(), point.size(), nullptr) != 1) {
    return nullptr;
  }
  return key;
}

absl::Status BadPoint() {
  return RefuseField(Reason::FIELD_MALFORMED, "public_key", "",
                     "an uncompressed point of 65 bytes on P-256");
}

}  // namespace

absl::StatusOr<P256Point> CheckP256Point(ByteView point) {
  if (point.size() != kP256PointSize || point[0] != 0x04) return BadPoint();
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> parsed(EC_POINT_new(group), EC_POINT_free);
  // EC_POINT_oct2point refuses coordinates out of the field and points off the curve.
  if (EC_POINT_oct2point(group, parsed.get(), point.data(), point.size(), nullptr) != 1) {
    return BadPoint();
  }
  P256Point checked;
  std::copy(point.begin(), point.end(), checked.begin());
  return checked;
}

KeyId KeyIdOf(ByteView point) { return Sha1(point); }

Bytes SignatureToDer(ByteView raw) {
  const Bytes r = EncodeDerUnsigned(raw.first(32));
  const Bytes s = EncodeDerUnsigned(raw.subspan(32, 32));
  return EncodeDer(kDerSequence, {ByteView(r), ByteView(s)});
}

absl::StatusOr<RawSignature> SignatureFromDer(ByteView der) {
  RawSignature raw{};
  DerReader outer(der);
  absl::StatusOr<DerReader> pair = outer.Enter(kDerSequence);
  if (!pair.ok()) return pair.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<ByteView> content = pair->Expect(kDerInteger);
    if (!content.ok()) return content.status();
    absl::StatusOr<ByteView> number = DecodeDerUnsigned(*content);
    if (!number.ok()) return number.status();
    if (number->size() > 32) {
      return RefuseField(Reason::FIELD_MALFORMED, "signature", "", "numbers of at most 32 octets");
    }
    std::copy(number->begin(), number->end(), raw.begin() + 32 * (i + 1) - number->size());
  }
  ASSAY_RETURN_IF_ERROR(pair->Finish());
  return raw;
}

absl::StatusOr<SignatureVerifier> SignatureVerifier::Make(ByteView point) {
  if (point.size() != kP256PointSize || point[0] != 0x04) return BadPoint();
  std::shared_ptr<EC_KEY> key = LoadKey(point);
  if (key == nullptr) return BadPoint();
  SignatureVerifier verifier;
  std::copy(point.begin(), point.end(), verifier.point_.begin());
  verifier.key_ = std::move(key);
  return verifier;
}

bool SignatureVerifier::Verify(const Sha256Digest& digest, ByteView raw) const {
  if (raw.size() != kRawSignatureSize) return false;
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(raw.data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + 32, 32, nullptr);
  if (signature == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return false;
  }
  // OpenSSL takes a key without const although it only reads it.
  auto* key = static_cast<EC_KEY*>(const_cast<void*>(key_.get()));
  return ECDSA_do_verify(digest.data(), static_cast<int>(digest.size()), signature.get(), key) == 1;
}

bool SignatureVerifier::VerifyMessage(ByteView message, ByteView raw) const {
  return Verify(Sha256(message), raw);
}

}  // namespace assay::matter
