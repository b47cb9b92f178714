#include "client/mfg_tool/dac_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "base/refusal.h"

namespace assay::client {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(EC_GROUP* group) const { EC_GROUP_free(group); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
};
constexpr size_t kScalarSize = 32;

std::unique_ptr<EVP_PKEY, Free> Decode(ByteView file) {
  const unsigned char* at = file.data();
  if (AsText(file).find("-----BEGIN") == std::string_view::npos) {
    return std::unique_ptr<EVP_PKEY, Free>(
        d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(file.size())));
  }
  std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  // An empty password instead of a prompt at the terminal.
  return std::unique_ptr<EVP_PKEY, Free>(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")));
}

// The point of a scalar; nothing where it is no P-256 key.
Bytes PointOf(ByteView scalar) {
  const std::unique_ptr<EC_GROUP, Free> group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  const std::unique_ptr<BIGNUM, Free> number(
      BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr));
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0) {
    return {};
  }
  const std::unique_ptr<EC_POINT, Free> point(EC_POINT_new(group.get()));
  Bytes out(65);
  if (EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(),
                         out.size(), nullptr) != out.size()) {
    return {};
  }
  return out;
}

}  // namespace

absl::StatusOr<DacKey> ParseDacKey(ByteView file, const std::string& origin) {
  const absl::Status malformed =
      RefuseField(Reason::FIELD_MALFORMED, origin, "",
                  "is not a P-256 private key in PEM, DER or 32 raw bytes");
  DacKey out;
  if (file.size() == kScalarSize) {
    out.scalar = SecretBytes::CopyOf(file);
  } else {
    const auto key = Decode(file);
    if (key == nullptr) return malformed;
    char group[32] = {};
    size_t group_size = 0;
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_group_name(key.get(), group, sizeof group, &group_size) != 1 ||
        std::string_view(group) != "prime256v1" ||
        EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
      return malformed;
    }
    const std::unique_ptr<BIGNUM, Free> scalar(number);
    out.scalar = SecretBytes(kScalarSize);
    if (BN_bn2binpad(scalar.get(), out.scalar.data(), kScalarSize) !=
        static_cast<int>(kScalarSize)) {
      return malformed;
    }
  }
  out.point = PointOf(out.scalar.view());
  if (out.point.empty()) return malformed;
  return out;
}

}  // namespace assay::client
