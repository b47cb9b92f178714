#include "matter/ecdsa_tables.h"

#include <openssl/bn.h>
#include <openssl/obj_mac.h>

#include <utility>

namespace assay::matter {
namespace {

using Context = std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)>;
using Group = std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)>;
using Point = std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)>;

// Numbers of a BN_CTX live until its frame ends.
class Frame {
 public:
  explicit Frame(BN_CTX* context) : context_(context) { BN_CTX_start(context); }
  ~Frame() { BN_CTX_end(context_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

 private:
  BN_CTX* context_;
};

// What a verification works in, kept by each thread: nothing in it is secret.
struct Scratch {
  Context context{BN_CTX_new(), BN_CTX_free};
  Group group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free};
  Point left{EC_POINT_new(group.get()), EC_POINT_free};
  Point right{EC_POINT_new(group.get()), EC_POINT_free};
};
Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

bool IsScalar(const BIGNUM* number, const BIGNUM* order) {
  return !BN_is_zero(number) && BN_cmp(number, order) < 0;
}

}  // namespace

VerificationTables::VerificationTables(Group base, Group key, Reduction order, Reduction field,
                                       const ModularInverter& inverter)
    : base_(std::move(base)),
      key_(std::move(key)),
      order_(std::move(order)),
      field_(std::move(field)),
      inverter_(inverter) {}

std::unique_ptr<const VerificationTables> VerificationTables::Make(const EC_POINT* public_key) {
  Group base(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  if (base == nullptr) return nullptr;
  Group key(EC_GROUP_dup(base.get()), EC_GROUP_free);
  Reduction order(BN_MONT_CTX_new(), BN_MONT_CTX_free);
  Reduction field(BN_MONT_CTX_new(), BN_MONT_CTX_free);
  const Context context(BN_CTX_new(), BN_CTX_free);
  const BIGNUM* n = EC_GROUP_get0_order(base.get());
  ModularInverter::Number order_bytes{};
  // To OpenSSL the public key is the generator of a group of its own: for generators it makes
  // tables.
  if (key == nullptr || order == nullptr || field == nullptr || context == nullptr ||
      BN_MONT_CTX_set(order.get(), n, context.get()) != 1 ||
      BN_MONT_CTX_set(field.get(), EC_GROUP_get0_field(base.get()), context.get()) != 1 ||
      BN_bn2binpad(n, order_bytes.data(), 32) != 32 ||
      EC_GROUP_set_generator(key.get(), public_key, n, EC_GROUP_get0_cofactor(base.get())) != 1 ||
      EC_GROUP_precompute_mult(key.get(), context.get()) != 1 ||
      EC_GROUP_have_precompute_mult(key.get()) != 1) {
    return nullptr;
  }
  return std::unique_ptr<const VerificationTables>(
      new VerificationTables(std::move(base), std::move(key), std::move(order), std::move(field),
                             ModularInverter(order_bytes)));
}

bool VerificationTables::HasForX(const EC_POINT* point, const BIGNUM* r, BN_CTX* context) const {
  const Frame frame(context);
  const BIGNUM* n = EC_GROUP_get0_order(base_.get());
  const BIGNUM* p = EC_GROUP_get0_field(base_.get());
  BN_MONT_CTX* const field = field_.get();
  BIGNUM* x = BN_CTX_get(context);
  BIGNUM* z = BN_CTX_get(context);
  BIGNUM* candidate = BN_CTX_get(context);
  BIGNUM* scaled = BN_CTX_get(context);
  // x = X / Z^2, so r is compared as r Z^2 with X, and nothing is divided.
  if (scaled == nullptr ||
      EC_POINT_get_Jprojective_coordinates_GFp(base_.get(), point, x, nullptr, z, context) != 1 ||
      BN_to_montgomery(scaled, z, field, context) != 1 ||
      BN_mod_mul_montgomery(z, scaled, z, field, context) != 1 ||
      BN_to_montgomery(z, z, field, context) != 1 ||
      BN_mod_mul_montgomery(scaled, z, r, field, context) != 1) {
    return false;
  }
  if (BN_cmp(scaled, x) == 0) return true;
  // The field is a little larger than the group, so that x may be r + n as well.
  return BN_add(candidate, r, n) == 1 && BN_cmp(candidate, p) < 0 &&
         BN_mod_mul_montgomery(scaled, z, candidate, field, context) == 1 && BN_cmp(scaled, x) == 0;
}

bool VerificationTables::Verify(const Sha256Digest& digest, ByteView raw) const {
  if (raw.size() != 64) return false;
  Scratch& scratch = ThreadScratch();
  BN_CTX* const context = scratch.context.get();
  EC_POINT* const left = scratch.left.get();
  EC_POINT* const right = scratch.right.get();
  if (context == nullptr || left == nullptr || right == nullptr) return false;
  const Frame frame(context);
  const BIGNUM* n = EC_GROUP_get0_order(base_.get());
  BIGNUM* r = BN_CTX_get(context);
  BIGNUM* s = BN_CTX_get(context);
  BIGNUM* e = BN_CTX_get(context);
  BIGNUM* u = BN_CTX_get(context);
  if (u == nullptr || BN_bin2bn(raw.data(), 32, r) == nullptr ||
      BN_bin2bn(raw.data() + 32, 32, s) == nullptr ||
      BN_bin2bn(digest.data(), static_cast<int>(digest.size()), e) == nullptr || !IsScalar(r, n) ||
      !IsScalar(s, n)) {
    return false;
  }
  // w = 1/s; the point (e*w)*G + (r*w)*Q has r for its x, modulo n.
  const auto inverse = inverter_.Invert(raw.subspan(32));
  if (!inverse) return false;
  BIGNUM* const w = s;
  const bool added = BN_bin2bn(inverse->data(), 32, w) != nullptr &&
                     BN_nnmod(e, e, n, context) == 1 &&
                     BN_to_montgomery(w, w, order_.get(), context) == 1 &&
                     BN_mod_mul_montgomery(u, e, w, order_.get(), context) == 1 &&
                     EC_POINT_mul(base_.get(), left, u, nullptr, nullptr, context) == 1 &&
                     BN_mod_mul_montgomery(u, r, w, order_.get(), context) == 1 &&
                     EC_POINT_mul(key_.get(), right, u, nullptr, nullptr, context) == 1 &&
                     EC_POINT_add(base_.get(), left, left, right, context) == 1;
  return added && EC_POINT_is_at_infinity(base_.get(), left) == 0 && HasForX(left, r, context);
}

}  // namespace assay::matter
