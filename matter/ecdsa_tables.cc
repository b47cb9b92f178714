#include "matter/ecdsa_tables.h"

#include <openssl/bn.h>
#include <openssl/obj_mac.h>

#include <utility>

namespace assay::matter {
namespace {

using Context = std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)>;
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

bool IsScalar(const BIGNUM* number, const BIGNUM* order) {
  return !BN_is_zero(number) && BN_cmp(number, order) < 0;
}

}  // namespace

VerificationTables::VerificationTables(Group base, Group key, Reduction order)
    : base_(std::move(base)), key_(std::move(key)), order_(std::move(order)) {}

std::unique_ptr<const VerificationTables> VerificationTables::Make(const EC_POINT* public_key) {
  Group base(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  if (base == nullptr) return nullptr;
  Group key(EC_GROUP_dup(base.get()), EC_GROUP_free);
  Reduction order(BN_MONT_CTX_new(), BN_MONT_CTX_free);
  const Context context(BN_CTX_new(), BN_CTX_free);
  const BIGNUM* n = EC_GROUP_get0_order(base.get());
  // To OpenSSL the public key is the generator of a group of its own: for generators it makes
  // tables.
  if (key == nullptr || order == nullptr || context == nullptr ||
      BN_MONT_CTX_set(order.get(), n, context.get()) != 1 ||
      EC_GROUP_set_generator(key.get(), public_key, n, EC_GROUP_get0_cofactor(base.get())) != 1 ||
      EC_GROUP_precompute_mult(key.get(), context.get()) != 1 ||
      EC_GROUP_have_precompute_mult(key.get()) != 1) {
    return nullptr;
  }
  return std::unique_ptr<const VerificationTables>(
      new VerificationTables(std::move(base), std::move(key), std::move(order)));
}

bool VerificationTables::Verify(const Sha256Digest& digest, ByteView raw) const {
  if (raw.size() != 64) return false;
  const Context owned(BN_CTX_new(), BN_CTX_free);
  BN_CTX* const context = owned.get();
  if (context == nullptr) return false;
  const Frame frame(context);
  const BIGNUM* n = EC_GROUP_get0_order(base_.get());
  BIGNUM* r = BN_CTX_get(context);
  BIGNUM* s = BN_CTX_get(context);
  BIGNUM* e = BN_CTX_get(context);
  BIGNUM* w = BN_CTX_get(context);
  BIGNUM* u = BN_CTX_get(context);
  const Point left(EC_POINT_new(base_.get()), EC_POINT_free);
  const Point right(EC_POINT_new(base_.get()), EC_POINT_free);
  if (u == nullptr || left == nullptr || right == nullptr ||
      BN_bin2bn(raw.data(), 32, r) == nullptr || BN_bin2bn(raw.data() + 32, 32, s) == nullptr ||
      BN_bin2bn(digest.data(), static_cast<int>(digest.size()), e) == nullptr || !IsScalar(r, n) ||
      !IsScalar(s, n) || BN_nnmod(e, e, n, context) != 1) {
    return false;
  }
  // w = 1/s; the point (e*w)*G + (r*w)*Q has r for its x, modulo n.
  const bool added = BN_mod_inverse(w, s, n, context) != nullptr &&
                     BN_to_montgomery(w, w, order_.get(), context) == 1 &&
                     BN_mod_mul_montgomery(u, e, w, order_.get(), context) == 1 &&
                     EC_POINT_mul(base_.get(), left.get(), u, nullptr, nullptr, context) == 1 &&
                     BN_mod_mul_montgomery(u, r, w, order_.get(), context) == 1 &&
                     EC_POINT_mul(key_.get(), right.get(), u, nullptr, nullptr, context) == 1 &&
                     EC_POINT_add(base_.get(), left.get(), left.get(), right.get(), context) == 1;
  if (!added || EC_POINT_is_at_infinity(base_.get(), left.get()) != 0) return false;
  return EC_POINT_get_affine_coordinates(base_.get(), left.get(), u, nullptr, context) == 1 &&
         BN_nnmod(u, u, n, context) == 1 && BN_cmp(u, r) == 0;
}

}  // namespace assay::matter
