#include "ceremony/app/key_file.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "base/refusal.h"

namespace assay::ceremony {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};

// A passphrase is never asked for: OpenSSL would do it on the terminal by itself.
int NoPassphrase(char*, int, int, void*) { return -1; }

std::unique_ptr<EVP_PKEY, Free> Load(const std::string& path) {
  const std::unique_ptr<BIO, Free> file(BIO_new_file(path.c_str(), "rb"));
  if (file == nullptr) return nullptr;
  std::unique_ptr<EVP_PKEY, Free> key(
      PEM_read_bio_PrivateKey(file.get(), nullptr, &NoPassphrase, nullptr));
  if (key != nullptr) return key;
  static_cast<void>(BIO_reset(file.get()));
  key.reset(d2i_PrivateKey_bio(file.get(), nullptr));
  return key;
}

}  // namespace

absl::StatusOr<FileKey> ReadKeyFile(const std::string& path) {
  const auto malformed = [&path](absl::string_view rule) {
    return RefuseField(Reason::FIELD_MALFORMED, "--key", path, rule);
  };
  const auto key = Load(path);
  if (key == nullptr) {
    return malformed("must be a private key in PEM or DER, without a passphrase");
  }
  char group[64] = {};
  size_t size = 0;
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key.get(), group, sizeof group, &size) != 1 ||
      std::string(group) != "prime256v1") {
    return malformed("must be a key on P-256");
  }
  FileKey out{.scalar = SecretBytes(32), .public_key = Bytes(65)};
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    return malformed("must hold the private half");
  }
  const std::unique_ptr<BIGNUM, Free> scalar(number);
  EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                 OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
  if (BN_bn2binpad(scalar.get(), out.scalar.data(), 32) != 32 ||
      EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, out.public_key.data(),
                                      out.public_key.size(), &size) != 1 ||
      size != out.public_key.size()) {
    return malformed("must hold both halves of a key on P-256");
  }
  return out;
}

}  // namespace assay::ceremony
