#include "hsm/pkcs11/key_import.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

constexpr CK_ULONG kModulusBits = 2048;
constexpr size_t kTransportKeyBytes = 32;
// PrivateKeyInfo of a P-256 key around its 32-byte scalar and its 65-byte point.
constexpr uint8_t kBeforeScalar[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
                                     0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                     0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
                                     0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
constexpr uint8_t kBeforePoint[] = {0xa1, 0x44, 0x03, 0x42, 0x00};

struct Free {
  void operator()(EC_KEY* key) const { EC_KEY_free(key); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// A fault that another session, login or module may cure, and that so tells nothing of what the
// token can do.
bool IsCurable(const Step& step) {
  const CkrClass c = ClassOf(step.rv);
  return c == CkrClass::kSession || c == CkrClass::kLogin || c == CkrClass::kDevice ||
         c == CkrClass::kBusy;
}

void DescribePrivate(Template& half, std::string_view label, ByteView id, bool stays) {
  half.Number(CKA_CLASS, CKO_PRIVATE_KEY)
      .Number(CKA_KEY_TYPE, CKK_EC)
      .Flag(CKA_TOKEN, stays)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_SIGN, true)
      .Flag(CKA_SIGN_RECOVER, false)
      .Flag(CKA_DECRYPT, false)
      .Flag(CKA_UNWRAP, false)
      .Flag(CKA_DERIVE, false)
      .View(CKA_LABEL, AsBytes(label))
      .View(CKA_ID, id);
}

SecretBytes PrivateKeyInfo(const SecretBytes& scalar, const hsm::PublicPoint& point) {
  SecretBytes out(sizeof kBeforeScalar + scalar.size() + sizeof kBeforePoint + point.size());
  uint8_t* at = std::copy(std::begin(kBeforeScalar), std::end(kBeforeScalar), out.data());
  at = std::copy_n(scalar.data(), scalar.size(), at);
  at = std::copy(std::begin(kBeforePoint), std::end(kBeforePoint), at);
  std::copy(point.begin(), point.end(), at);
  return out;
}

// RFC 5649; empty where the library refuses.
Bytes WrapPadded(const SecretBytes& key, const SecretBytes& plain) {
  const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Bytes wrapped(plain.size() + 16);
  int size = 0, rest = 0;
  if (EVP_EncryptInit_ex(context.get(), EVP_aes_256_wrap_pad(), nullptr, key.data(), nullptr) !=
          1 ||
      EVP_EncryptUpdate(context.get(), wrapped.data(), &size, plain.data(),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), wrapped.data() + size, &rest) != 1) {
    return {};
  }
  wrapped.resize(static_cast<size_t>(size + rest));
  return wrapped;
}

// OAEP with SHA-1, which is what every module has; OAEP does not lean on its collisions.
Bytes EncryptTo(ByteView modulus, ByteView exponent, const SecretBytes& plain) {
  const Owned<BIGNUM> n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const Owned<BIGNUM> e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> reader(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* read = nullptr;
  if (EVP_PKEY_fromdata_init(reader.get()) != 1 ||
      EVP_PKEY_fromdata(reader.get(), &read, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return {};
  }
  const Owned<EVP_PKEY> key(read);
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  Bytes sealed(modulus.size() + 1);
  size_t size = sealed.size();
  if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), sealed.data(), &size, plain.data(), plain.size()) != 1) {
    return {};
  }
  sealed.resize(size);
  return sealed;
}

// An RSA pair that ends with the session, for one key's way in.
Step MakeTransportPair(const Session& session, CK_OBJECT_HANDLE& private_handle, Bytes& modulus,
                       Bytes& exponent) {
  constexpr uint8_t kExponent[] = {0x01, 0x00, 0x01};
  Template public_half, private_half;
  public_half.Flag(CKA_TOKEN, false)
      .Flag(CKA_WRAP, true)
      .Number(CKA_MODULUS_BITS, kModulusBits)
      .View(CKA_PUBLIC_EXPONENT, kExponent);
  private_half.Flag(CKA_TOKEN, false)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_UNWRAP, true);
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_handle;
  CK_RV rv = session.ck->C_GenerateKeyPair(session.handle, &mechanism, public_half.data(),
                                           public_half.size(), private_half.data(),
                                           private_half.size(), &public_handle, &private_handle);
  if (rv != CKR_OK) return Step::Fault("C_GenerateKeyPair", rv);
  modulus.resize(kModulusBits / 8);
  exponent.resize(8);
  CK_ATTRIBUTE told[] = {{CKA_MODULUS, modulus.data(), modulus.size()},
                         {CKA_PUBLIC_EXPONENT, exponent.data(), exponent.size()}};
  rv = session.ck->C_GetAttributeValue(session.handle, public_handle, told, 2);
  if (rv != CKR_OK) return Step::Fault("C_GetAttributeValue", rv);
  modulus.resize(told[0].ulValueLen);
  exponent.resize(told[1].ulValueLen);
  return Step::Done();
}

Step BringTransportKey(const Session& session, const SecretBytes& transport_key,
                       CK_OBJECT_HANDLE& handle) {
  CK_OBJECT_HANDLE pair = 0;
  Bytes modulus, exponent;
  if (Step step = MakeTransportPair(session, pair, modulus, exponent); !step.ok()) return step;
  Bytes sealed = EncryptTo(modulus, exponent, transport_key);
  if (sealed.empty()) return Step::Fault("C_GetAttributeValue", CKR_PUBLIC_KEY_INVALID);
  Template wanted;
  wanted.Number(CKA_CLASS, CKO_SECRET_KEY)
      .Number(CKA_KEY_TYPE, CKK_AES)
      .Flag(CKA_TOKEN, false)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_UNWRAP, true);
  CK_RSA_PKCS_OAEP_PARAMS oaep{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
  CK_MECHANISM mechanism{CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
  const CK_RV rv = session.ck->C_UnwrapKey(session.handle, &mechanism, pair, sealed.data(),
                                           sealed.size(), wanted.data(), wanted.size(), &handle);
  return rv == CKR_OK ? Step::Done() : Step::Fault("C_UnwrapKey", rv);
}

// What it makes besides the key ends with the session, also the key as it was unwrapped: SoftHSM
// unwraps none that is not modifiable, so the one that stays is its copy.
Step UnwrapPrivate(const Session& session, std::string_view label, ByteView id,
                   const SecretBytes& scalar, const hsm::PublicPoint& point,
                   CK_OBJECT_HANDLE& handle) {
  SecretBytes transport_key(kTransportKeyBytes);
  if (RAND_priv_bytes(transport_key.data(), static_cast<int>(transport_key.size())) != 1) {
    return Step::Refused(Refuse(Reason::INTERNAL, "the system gives no randomness"));
  }
  CK_OBJECT_HANDLE unwrapping = 0;
  if (Step step = BringTransportKey(session, transport_key, unwrapping); !step.ok()) return step;
  Bytes wrapped = WrapPadded(transport_key, PrivateKeyInfo(scalar, point));
  if (wrapped.empty()) return Step::Refused(Refuse(Reason::INTERNAL, "the key cannot be wrapped"));
  Template wanted, kept;
  DescribePrivate(wanted, label, id, false);
  kept.Flag(CKA_TOKEN, true).Flag(CKA_MODIFIABLE, false);
  CK_OBJECT_HANDLE passing = 0;
  // One mechanism under its older and its newer number.
  CK_RV rv = CKR_MECHANISM_INVALID;
  for (const CK_MECHANISM_TYPE type : {CK_MECHANISM_TYPE{0x210A}, CK_MECHANISM_TYPE{0x210B}}) {
    CK_MECHANISM mechanism{type, nullptr, 0};
    rv = session.ck->C_UnwrapKey(session.handle, &mechanism, unwrapping, wrapped.data(),
                                 wrapped.size(), wanted.data(), wanted.size(), &passing);
    if (rv != CKR_MECHANISM_INVALID) break;
  }
  if (rv != CKR_OK) return Step::Fault("C_UnwrapKey", rv);
  rv = session.ck->C_CopyObject(session.handle, passing, kept.data(), kept.size(), &handle);
  return rv == CKR_OK ? Step::Done() : Step::Fault("C_CopyObject", rv);
}

Step CreatePrivate(const Session& session, std::string_view label, ByteView id,
                   const SecretBytes& scalar, CK_OBJECT_HANDLE& handle) {
  Template wanted;
  DescribePrivate(wanted, label, id, true);
  wanted.Flag(CKA_MODIFIABLE, false)
      .View(CKA_EC_PARAMS, P256Params())
      .View(CKA_VALUE, scalar.view());
  const CK_RV rv =
      session.ck->C_CreateObject(session.handle, wanted.data(), wanted.size(), &handle);
  if (rv == CKR_OK) return Step::Done();
  const CkrClass c = ClassOf(rv);
  if (c != CkrClass::kUnsupported && c != CkrClass::kKey) return Step::Fault("C_CreateObject", rv);
  return Step::Refused(Refuse(
      Reason::HSM_KEY_UNFIT,
      absl::StrCat("the token takes no keys in: C_CreateObject: ", std::string(CkrName(rv)))));
}

Step CreatePublic(const Session& session, std::string_view label, ByteView id,
                  const hsm::PublicPoint& point) {
  Template wanted;
  Bytes encoded = {0x04, static_cast<uint8_t>(point.size())};
  Append(encoded, point);
  wanted.Number(CKA_CLASS, CKO_PUBLIC_KEY)
      .Number(CKA_KEY_TYPE, CKK_EC)
      .Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, false)
      .Flag(CKA_MODIFIABLE, false)
      .Flag(CKA_VERIFY, true)
      .View(CKA_LABEL, AsBytes(label))
      .View(CKA_ID, id)
      .View(CKA_EC_PARAMS, P256Params())
      .View(CKA_EC_POINT, encoded);
  CK_OBJECT_HANDLE handle;
  const CK_RV rv =
      session.ck->C_CreateObject(session.handle, wanted.data(), wanted.size(), &handle);
  return rv == CKR_OK ? Step::Done() : Step::Fault("C_CreateObject", rv);
}

}  // namespace

std::optional<hsm::PublicPoint> PointOfScalar(const SecretBytes& scalar) {
  if (scalar.size() != 32) return std::nullopt;
  const Owned<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  const EC_GROUP* group = EC_KEY_get0_group(key.get());
  const Owned<BIGNUM> number(BN_secure_new());
  BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), number.get());
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group)) >= 0) {
    return std::nullopt;
  }
  const Owned<EC_POINT> point(EC_POINT_new(group));
  hsm::PublicPoint encoded;
  if (EC_POINT_mul(group, point.get(), number.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                         encoded.size(), nullptr) != encoded.size()) {
    return std::nullopt;
  }
  return encoded;
}

Step ImportPair(const Session& writable, std::string_view label, ByteView id,
                const SecretBytes& scalar, const hsm::PublicPoint& point, bool& wrapped) {
  CK_OBJECT_HANDLE private_handle = 0;
  Step step = UnwrapPrivate(writable, label, id, scalar, point, private_handle);
  if (!step.refusal.ok() || IsCurable(step)) return step;
  wrapped = step.ok();
  if (!wrapped) {
    step = CreatePrivate(writable, label, id, scalar, private_handle);
    if (!step.ok()) return step;
  }
  step = CreatePublic(writable, label, id, point);
  if (!step.ok()) writable.ck->C_DestroyObject(writable.handle, private_handle);
  return step;
}

}  // namespace assay::pkcs11
