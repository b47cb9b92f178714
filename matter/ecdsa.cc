#include "matter/ecdsa.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "base/refusal.h"
#include "matter/der.h"
#include "matter/ecdsa_tables.h"
#include "matter/lane_tables.h"

namespace assay::matter {
namespace {

// Tables pay for themselves after as many verifications.
constexpr int kManyVerifications = 1000;

// The kernel takes 16 us for one signature and 20 for eight; OpenSSL's tables take 13 for each.
constexpr size_t kEnoughForLanes = 2;

}  // namespace

// A key, and its tables once it has shown that it is asked often: OpenSSL's for one signature, and
// those of the kernel that checks eight side by side where it runs.
class SignatureVerifier::Key {
 public:
  explicit Key(EC_KEY* key) : key_(key, EC_KEY_free) {}
  ~Key() {
    delete tables_.load();
    delete lanes_.load();
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  static std::shared_ptr<const Key> Load(ByteView point) {
    std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key(
        EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), EC_KEY_free);
    if (key == nullptr || EC_KEY_oct2key(key.get(), point.data(), point.size(), nullptr) != 1) {
      return nullptr;
    }
    return std::make_shared<const Key>(key.release());
  }

  bool Verify(const Sha256Digest& digest, ByteView raw) const {
    if (const VerificationTables* tables = tables_.load(std::memory_order_acquire)) {
      return tables->Verify(digest, raw);
    }
    CountOne();
    return VerifyOnce(digest, raw);
  }

  // Null until it was asked often.
  const LaneTables* Lanes() const { return lanes_.load(std::memory_order_acquire); }

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

 private:
  // Whoever comes at that number makes the tables; the others do not wait.
  void CountOne() const {
    if (verified_.fetch_add(1, std::memory_order_relaxed) != kManyVerifications) return;
    const EC_POINT* point = EC_KEY_get0_public_key(key_.get());
    tables_.store(VerificationTables::Make(point).release(), std::memory_order_release);
    if (VerifiesSideBySide()) {
      lanes_.store(LaneTables::Make(point).release(), std::memory_order_release);
    }
  }

  const std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key_;
  mutable std::atomic<int> verified_{0};
  mutable std::atomic<const VerificationTables*> tables_{nullptr};
  mutable std::atomic<const LaneTables*> lanes_{nullptr};
};

bool VerifiesSideBySide() {
  static const bool side_by_side = [] {
    const char* forced = std::getenv("ASSAY_ECDSA_KERNEL");
    return LaneTables::Run() && (forced == nullptr || std::string_view(forced) != "openssl");
  }();
  return side_by_side;
}

namespace {

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
  std::shared_ptr<const Key> key = Key::Load(point);
  if (key == nullptr) return BadPoint();
  SignatureVerifier verifier;
  std::copy(point.begin(), point.end(), verifier.point_.begin());
  verifier.key_ = std::move(key);
  return verifier;
}

bool SignatureVerifier::Verify(const Sha256Digest& digest, ByteView raw) const {
  return raw.size() == kRawSignatureSize && key_->Verify(digest, raw);
}

bool SignatureVerifier::VerifyMessage(ByteView message, ByteView raw) const {
  return Verify(Sha256(message), raw);
}

void VerifyAll(std::span<SignatureCheck> checks) {
  std::array<LaneCheck, kEcdsaLanes> lanes;
  std::array<SignatureCheck*, kEcdsaLanes> asked;
  size_t count = 0;
  const auto verify_lanes = [&] {
    if (count >= kEnoughForLanes) VerifyLanes(std::span(lanes).first(count));
    for (size_t i = 0; i < count; ++i) {
      SignatureCheck& check = *asked[i];
      check.right = lanes[i].verdict == LaneVerdict::kUnclear
                        ? check.key->Verify(check.digest, check.raw)
                        : lanes[i].verdict == LaneVerdict::kRight;
    }
    count = 0;
  };
  for (SignatureCheck& check : checks) {
    const LaneTables* tables = check.key->key_->Lanes();
    if (tables == nullptr) {
      check.right = check.key->Verify(check.digest, check.raw);
      continue;
    }
    asked[count] = &check;
    lanes[count++] = {tables, &check.digest, check.raw, LaneVerdict::kUnclear};
    if (count == lanes.size()) verify_lanes();
  }
  verify_lanes();
}

}  // namespace assay::matter
