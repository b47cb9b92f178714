#include "server/issue/device_key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <memory>

#include "base/refusal.h"

namespace assay::issue {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Group = std::unique_ptr<EC_GROUP, Deleter<EC_GROUP_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_clear_free>>;
using Point = std::unique_ptr<EC_POINT, Deleter<EC_POINT_free>>;
using Context = std::unique_ptr<BN_CTX, Deleter<BN_CTX_free>>;

// Setting the curve up costs more than a key; a group is read by one thread only.
struct Curve {
  Group group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  Context context{BN_CTX_secure_new()};
};
Curve& ThreadCurve() {
  thread_local Curve curve;
  return curve;
}

bool WritePoint(const Curve& curve, const EC_POINT* point, std::array<uint8_t, 65>& out) {
  return EC_POINT_point2oct(curve.group.get(), point, POINT_CONVERSION_UNCOMPRESSED, out.data(),
                            out.size(), curve.context.get()) == out.size();
}

}  // namespace

// As EC_KEY_generate_key does it (FIPS 186-4 B.4.2: drawn anew where it is not in 1..n-1), without
// an EC_KEY, which copies the group each time.
absl::StatusOr<DeviceKey> MakeDeviceKey() {
  const Curve& curve = ThreadCurve();
  const Number scalar(BN_secure_new());
  const Point point(EC_POINT_new(curve.group.get()));
  DeviceKey made;
  made.scalar = SecretBytes(32);
  bool drawn = scalar != nullptr && point != nullptr;
  do {
    drawn = drawn && BN_priv_rand_range(scalar.get(), EC_GROUP_get0_order(curve.group.get())) == 1;
  } while (drawn && BN_is_zero(scalar.get()));
  if (!drawn ||
      EC_POINT_mul(curve.group.get(), point.get(), scalar.get(), nullptr, nullptr,
                   curve.context.get()) != 1 ||
      BN_bn2binpad(scalar.get(), made.scalar.data(), 32) != 32 ||
      !WritePoint(curve, point.get(), made.point)) {
    return Refuse(Reason::INTERNAL, "a device key could not be made");
  }
  return made;
}

absl::StatusOr<std::array<uint8_t, 65>> PointOf(const SecretBytes& scalar) {
  const Curve& curve = ThreadCurve();
  const Number number(BN_secure_new());
  const Point point(EC_POINT_new(curve.group.get()));
  std::array<uint8_t, 65> out{};
  const bool in_range =
      scalar.size() == 32 && BN_bin2bn(scalar.data(), 32, number.get()) != nullptr &&
      !BN_is_zero(number.get()) && BN_cmp(number.get(), EC_GROUP_get0_order(curve.group.get())) < 0;
  if (!in_range ||
      EC_POINT_mul(curve.group.get(), point.get(), number.get(), nullptr, nullptr,
                   curve.context.get()) != 1 ||
      !WritePoint(curve, point.get(), out)) {
    return RefuseField(Reason::FIELD_MALFORMED, "given_dac.private_key", "",
                       "must be a P-256 private key of 32 bytes");
  }
  return out;
}

}  // namespace assay::issue
