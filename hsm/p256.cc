#include "hsm/p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <memory>

namespace assay::hsm {
namespace {

struct Free {
  void operator()(EC_KEY* key) const { EC_KEY_free(key); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};

const EC_GROUP* Group() {
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  return group;
}

// Null for a point off the curve; EC_POINT_oct2point checks it.
std::unique_ptr<EC_POINT, Free> Decode(const PublicPoint& point) {
  std::unique_ptr<EC_POINT, Free> decoded(EC_POINT_new(Group()));
  if (point[0] != 4 ||
      EC_POINT_oct2point(Group(), decoded.get(), point.data(), point.size(), nullptr) != 1) {
    return nullptr;
  }
  return decoded;
}

}  // namespace

bool IsOnP256(const PublicPoint& point) { return Decode(point) != nullptr; }

bool VerifySignature(const PublicPoint& point, const Sha256Digest& digest,
                     const RawSignature& signature) {
  const auto decoded = Decode(point);
  if (!decoded) return false;
  std::unique_ptr<EC_KEY, Free> key(EC_KEY_new());
  if (EC_KEY_set_group(key.get(), Group()) != 1 ||
      EC_KEY_set_public_key(key.get(), decoded.get()) != 1) {
    return false;
  }
  std::unique_ptr<ECDSA_SIG, Free> parts(ECDSA_SIG_new());
  ECDSA_SIG_set0(parts.get(), BN_bin2bn(signature.data(), 32, nullptr),
                 BN_bin2bn(signature.data() + 32, 32, nullptr));
  return ECDSA_do_verify(digest.data(), static_cast<int>(digest.size()), parts.get(), key.get()) ==
         1;
}

}  // namespace assay::hsm
