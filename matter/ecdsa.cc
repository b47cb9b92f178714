#include "matter/ecdsa.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <atomic>

#include "base/refusal.h"
#include "matter/der.h"
#include "matter/ecdsa_tables.h"

namespace assay::matter {
namespace {

// Tables pay for themselves after as many verifications.
constexpr int kManyVerifications = 1000;

// A key, and its tables once it has shown that it is asked often.
class VerificationKey {
 public:
  explicit VerificationKey(EC_KEY* key) : key_(key, EC_KEY_free) {}
  ~VerificationKey() { delete tables_.load(); }
  VerificationKey(const VerificationKey&) = delete;
  VerificationKey& operator=(const VerificationKey&) = delete;

  bool Verify(const Sha256Digest& digest, ByteView raw) const {
    if (const VerificationTables* tables = tables_.load(std::memory_order_acquire)) {
      return tables->Verify(digest, raw);
    }
    // Whoever comes at that number makes them; the others do not wait.
    if (verified_.fetch_add(1, std::memory_order_relaxed) == kManyVerifications) {
      tables_.store(VerificationTables::Make(EC_KEY_get0_public_key(key_.get())).release(),
                    std::memory_order_release);
    }
    return VerifyOnce(digest, raw);
  }

 private:
  // The low-level calls are used on purpose: EVP costs a context and a fetch for each check.
  bool VerifyOnce(const Sha256Digest& digest, ByteView raw) const {
    std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(),
                                                                    ECDSA_SIG_free);
    BIGNUM* r = BN_bin2bn(raw.data(), 32, nullptr);
    BIGNUM* s = BN_bin2bn(raw.data() + 32, 32, nullptr);
    if (signature == nullptr || r == nullptr || s == nullptr ||
        ECDSA_SIG_set0(signature.get(), r, s) != 1) {
      BN_free(r);
      BN_free(s);
      return false;
    }
    return ECDSA_do_verify(digest.data(), static_cast<int>(digest.size()), signature.get(),
                           key_.get()) == 1;
  }

  const std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key_;
  mutable std::atomic<int> verified_{0};
  mutable std::atomic<const VerificationTables*> tables_{nullptr};
};

std::shared_ptr<const VerificationKey> LoadKey(ByteView point) {
  std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key(
      EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), EC_KEY_free);
  if (key == nullptr || EC_KEY_oct2key(key.get(), point.data(), point.size(), nullptr) != 1) {
    return nullptr;
  }
  return std::make_shared<const VerificationKey>(key.release());
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
  std::shared_ptr<const VerificationKey> key = LoadKey(point);
  if (key == nullptr) return BadPoint();
  SignatureVerifier verifier;
  std::copy(point.begin(), point.end(), verifier.point_.begin());
  verifier.key_ = std::move(key);
  return verifier;
}

bool SignatureVerifier::Verify(const Sha256Digest& digest, ByteView raw) const {
  if (raw.size() != kRawSignatureSize) return false;
  return static_cast<const VerificationKey*>(key_.get())->Verify(digest, raw);
}

bool SignatureVerifier::VerifyMessage(ByteView message, ByteView raw) const {
  return Verify(Sha256(message), raw);
}

}  // namespace assay::matter
