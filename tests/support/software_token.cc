#include "tests/support/software_token.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/policy.h"

namespace assay::test_support {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

struct Free {
  void operator()(EC_KEY* key) const { EC_KEY_free(key); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// Null for a scalar that is not in [1, n-1].
Owned<EC_KEY> KeyOf(const SecretBytes& scalar) {
  Owned<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  const EC_GROUP* group = EC_KEY_get0_group(key.get());
  Owned<BIGNUM> number(BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr));
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group)) >= 0) {
    return nullptr;
  }
  Owned<EC_POINT> point(EC_POINT_new(group));
  EC_POINT_mul(group, point.get(), number.get(), nullptr, nullptr, nullptr);
  EC_KEY_set_private_key(key.get(), number.get());
  EC_KEY_set_public_key(key.get(), point.get());
  return key;
}

// A nonce made of key and digest, so that one digest always gets one signature. In the spirit of
// RFC 6979, not by its letter: good enough for simulations, which is all this is for.
hsm::RawSignature SignRepeatably(EC_KEY* key, const SecretBytes& scalar,
                                 const Sha256Digest& digest) {
  const EC_GROUP* group = EC_KEY_get0_group(key);
  const BIGNUM* order = EC_GROUP_get0_order(group);
  Owned<BN_CTX> context(BN_CTX_new());
  uint8_t seed[32];
  unsigned int seed_size = sizeof seed;
  HMAC(EVP_sha256(), scalar.data(), static_cast<int>(scalar.size()), digest.data(), digest.size(),
       seed, &seed_size);
  Owned<BIGNUM> nonce(BN_bin2bn(seed, sizeof seed, nullptr));
  BN_mod(nonce.get(), nonce.get(), order, context.get());
  Owned<EC_POINT> point(EC_POINT_new(group));
  EC_POINT_mul(group, point.get(), nonce.get(), nullptr, nullptr, context.get());
  Owned<BIGNUM> r(BN_new());
  EC_POINT_get_affine_coordinates(group, point.get(), r.get(), nullptr, context.get());
  BN_mod(r.get(), r.get(), order, context.get());
  Owned<BIGNUM> inverse(BN_mod_inverse(nullptr, nonce.get(), order, context.get()));
  Owned<ECDSA_SIG> made(ECDSA_do_sign_ex(digest.data(), static_cast<int>(digest.size()),
                                         inverse.get(), r.get(), key));
  hsm::RawSignature signature;
  BN_bn2binpad(ECDSA_SIG_get0_r(made.get()), signature.data(), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(made.get()), signature.data() + 32, 32);
  return signature;
}

absl::Status Missing(std::string_view label) {
  return Refuse(Reason::HSM_KEY_MISSING,
                absl::StrCat("no key is labelled '", std::string(label), "'"));
}

}  // namespace

struct SoftwareToken::Key {
  hsm::KeyDescription description;
  SecretBytes secret;
  Owned<EC_KEY> pair;
};

SoftwareToken::SoftwareToken(std::shared_ptr<Random> random) : random_(std::move(random)) {}
SoftwareToken::~SoftwareToken() = default;

void SoftwareToken::SetBeforeCall(BeforeCall before) {
  std::lock_guard lock(mutex_);
  before_ = std::move(before);
}

void SoftwareToken::SetGarbageSignatures(bool garbage) {
  SetSpoilt(garbage ? Spoils([](std::string_view) { return true; }) : nullptr);
}

void SoftwareToken::SetSpoilt(Spoils spoils) {
  std::lock_guard lock(mutex_);
  spoils_ = std::move(spoils);
}

void SoftwareToken::SetWrappingLacks(std::string mechanism) {
  std::lock_guard lock(mutex_);
  wrapping_lacks_ = std::move(mechanism);
}

absl::Status SoftwareToken::Before(std::string_view call, std::string_view label) {
  BeforeCall before;
  {
    std::lock_guard lock(mutex_);
    before = before_;
  }
  return before ? before(call, label) : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SoftwareToken::Key>> SoftwareToken::Find(std::string_view label,
                                                                        hsm::KeyPurpose purpose) {
  std::lock_guard lock(mutex_);
  const auto found = keys_.find(label);
  if (found == keys_.end()) return Missing(label);
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(found->second->description, purpose));
  return found->second;
}

absl::StatusOr<hsm::TokenDescription> SoftwareToken::Describe() {
  ASSAY_RETURN_IF_ERROR(Before("Describe", ""));
  std::lock_guard lock(mutex_);
  return hsm::TokenDescription{.label = "software",
                               .serial = "0",
                               .manufacturer = "Assay tests",
                               .model = "in memory",
                               .firmware = "1.0",
                               .hardware = "0.0",
                               .module = "none",
                               .wrapping_lacks = wrapping_lacks_};
}

absl::StatusOr<hsm::KeyDescription> SoftwareToken::AddSigningKey(std::string_view label,
                                                                 SecretBytes scalar, bool local) {
  auto key = std::make_shared<Key>();
  key->pair = KeyOf(scalar);
  if (!key->pair) {
    return Refuse(Reason::HSM_KEY_UNFIT, "the scalar must be 32 bytes, from 1 to the order less 1");
  }
  key->secret = std::move(scalar);
  key->description = {.label = std::string(label),
                      .purpose = hsm::KeyPurpose::kSigning,
                      .public_point = hsm::PublicPoint{},
                      .hidden = true,
                      .sensitive = true,
                      .always_sensitive = local,
                      .extractable = false,
                      .never_extractable = local,
                      .local = local,
                      .sign = true,
                      .modifiable = false};
  EC_POINT_point2oct(EC_KEY_get0_group(key->pair.get()), EC_KEY_get0_public_key(key->pair.get()),
                     POINT_CONVERSION_UNCOMPRESSED, key->description.public_point->data(), 65,
                     nullptr);
  const auto id = Sha1(*key->description.public_point);
  key->description.id.assign(id.begin(), id.end());
  std::lock_guard lock(mutex_);
  if (!keys_.emplace(label, key).second) {
    return RefuseField(Reason::HSM_KEY_UNFIT, "CKA_LABEL", std::string(label),
                       "must not be taken by another key");
  }
  return key->description;
}

absl::StatusOr<hsm::KeyDescription> SoftwareToken::GenerateKey(std::string_view label,
                                                               hsm::KeyPurpose purpose) {
  ASSAY_RETURN_IF_ERROR(Before("GenerateKey", label));
  if (label.empty()) {
    return RefuseField(Reason::HSM_KEY_UNFIT, "CKA_LABEL", "", "must be 1 to 128 bytes");
  }
  if (purpose == hsm::KeyPurpose::kSigning) {
    SecretBytes scalar = random_->DrawSecret(32);
    while (!KeyOf(scalar)) scalar = random_->DrawSecret(32);
    return AddSigningKey(label, std::move(scalar), true);
  }
  auto key = std::make_shared<Key>();
  key->secret = random_->DrawSecret(32);
  key->description = {.label = std::string(label),
                      .id = random_->Draw(16),
                      .purpose = hsm::KeyPurpose::kWrapping,
                      .hidden = true,
                      .sensitive = true,
                      .always_sensitive = true,
                      .extractable = false,
                      .never_extractable = true,
                      .local = true,
                      .decrypt = true,
                      .encrypt = true,
                      .modifiable = false};
  std::lock_guard lock(mutex_);
  if (!keys_.emplace(label, key).second) {
    return RefuseField(Reason::HSM_KEY_UNFIT, "CKA_LABEL", std::string(label),
                       "must not be taken by another key");
  }
  return key->description;
}

absl::StatusOr<hsm::KeyDescription> SoftwareToken::FindKey(std::string_view label) {
  ASSAY_RETURN_IF_ERROR(Before("FindKey", label));
  std::lock_guard lock(mutex_);
  const auto found = keys_.find(label);
  if (found == keys_.end()) return Missing(label);
  return found->second->description;
}

absl::StatusOr<std::vector<hsm::KeyDescription>> SoftwareToken::ListKeys() {
  ASSAY_RETURN_IF_ERROR(Before("ListKeys", ""));
  std::lock_guard lock(mutex_);
  std::vector<hsm::KeyDescription> keys;
  for (const auto& [label, key] : keys_) keys.push_back(key->description);
  return keys;
}

absl::Status SoftwareToken::DestroyKey(std::string_view label) {
  ASSAY_RETURN_IF_ERROR(Before("DestroyKey", label));
  std::lock_guard lock(mutex_);
  const auto found = keys_.find(label);
  if (found == keys_.end()) return Missing(label);
  keys_.erase(found);
  return absl::OkStatus();
}

absl::StatusOr<hsm::ImportedKey> SoftwareToken::ImportSigningKey(std::string_view label,
                                                                 const SecretBytes& scalar) {
  ASSAY_RETURN_IF_ERROR(Before("ImportSigningKey", label));
  if (scalar.size() != 32) {
    return Refuse(Reason::HSM_KEY_UNFIT, "the scalar must be 32 bytes, from 1 to the order less 1");
  }
  auto key = AddSigningKey(label, scalar.Clone(), false);
  if (!key.ok()) return key.status();
  return hsm::ImportedKey{*std::move(key), false};
}

absl::StatusOr<hsm::RawSignature> SoftwareToken::Sign(std::string_view label,
                                                      const Sha256Digest& digest) {
  ASSAY_RETURN_IF_ERROR(Before("Sign", label));
  const auto key = Find(label, hsm::KeyPurpose::kSigning);
  if (!key.ok()) return key.status();
  hsm::RawSignature signature = SignRepeatably((*key)->pair.get(), (*key)->secret, digest);
  std::lock_guard lock(mutex_);
  if (spoils_ && spoils_(label)) signature[40] ^= 1;
  return signature;
}

absl::StatusOr<Bytes> SoftwareToken::Encrypt(std::string_view label, ByteView plaintext,
                                             ByteView associated) {
  ASSAY_RETURN_IF_ERROR(Before("Encrypt", label));
  const auto key = Find(label, hsm::KeyPurpose::kWrapping);
  if (!key.ok()) return key.status();
  Bytes sealed = random_->Draw(kNonceBytes);
  sealed.resize(kNonceBytes + plaintext.size() + kTagBytes);
  Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, (*key)->secret.data(),
                     sealed.data());
  EVP_EncryptUpdate(context.get(), nullptr, &size, associated.data(),
                    static_cast<int>(associated.size()));
  EVP_EncryptUpdate(context.get(), sealed.data() + kNonceBytes, &size, plaintext.data(),
                    static_cast<int>(plaintext.size()));
  EVP_EncryptFinal_ex(context.get(), sealed.data() + kNonceBytes + size, &size);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                      sealed.data() + sealed.size() - kTagBytes);
  return sealed;
}

absl::StatusOr<SecretBytes> SoftwareToken::Decrypt(std::string_view label, ByteView ciphertext,
                                                   ByteView associated) {
  ASSAY_RETURN_IF_ERROR(Before("Decrypt", label));
  const auto key = Find(label, hsm::KeyPurpose::kWrapping);
  if (!key.ok()) return key.status();
  if (ciphertext.size() < kNonceBytes + kTagBytes) {
    return Refuse(Reason::HSM_DATA_REJECTED, "wrapped bytes are at least 28 long");
  }
  const ByteView body =
      ciphertext.subspan(kNonceBytes, ciphertext.size() - kNonceBytes - kTagBytes);
  Bytes tag = ToBytes(ciphertext.last(kTagBytes));
  SecretBytes plain(body.size());
  Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  uint8_t none[16];
  EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, (*key)->secret.data(),
                     ciphertext.data());
  EVP_DecryptUpdate(context.get(), nullptr, &size, associated.data(),
                    static_cast<int>(associated.size()));
  if (!body.empty()) {
    EVP_DecryptUpdate(context.get(), plain.data(), &size, body.data(),
                      static_cast<int>(body.size()));
  }
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data());
  if (EVP_DecryptFinal_ex(context.get(), none, &size) != 1) {
    return Refuse(Reason::HSM_DATA_REJECTED, "the tag is wrong");
  }
  return plain;
}

absl::Status SoftwareToken::FillRandom(std::span<uint8_t> out) {
  ASSAY_RETURN_IF_ERROR(Before("FillRandom", ""));
  random_->Fill(out);
  return absl::OkStatus();
}

absl::Status SoftwareToken::CheckHealth(std::string_view label) {
  ASSAY_RETURN_IF_ERROR(Before("CheckHealth", label));
  const auto key = Find(label, hsm::KeyPurpose::kSigning);
  if (!key.ok()) return key.status();
  const Sha256Digest digest = Sha256(random_->Draw(32));
  const auto signature = Sign(label, digest);
  if (!signature.ok()) return signature.status();
  if (hsm::VerifySignature(*(*key)->description.public_point, digest, *signature)) {
    return absl::OkStatus();
  }
  return Refuse(Reason::HSM_BAD_SIGNATURE, "the signature is not by the key");
}

}  // namespace assay::test_support
