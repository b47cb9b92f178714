#include "client/mfg_tool/dac_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "base/refusal.h"
#include "client/files.h"

namespace assay::client {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
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

}  // namespace

absl::StatusOr<SecretBytes> ReadDacKey(const std::string& path) {
  auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  const SecretBytes file(*std::move(bytes));
  if (file.size() == kScalarSize) return file.Clone();
  const absl::Status malformed = RefuseField(
      Reason::FIELD_MALFORMED, path, "", "is not a P-256 private key in PEM, DER or 32 raw bytes");
  const auto key = Decode(file.view());
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
  SecretBytes out(kScalarSize);
  if (BN_bn2binpad(scalar.get(), out.data(), kScalarSize) != static_cast<int>(kScalarSize))
    return malformed;
  return out;
}

}  // namespace assay::client
