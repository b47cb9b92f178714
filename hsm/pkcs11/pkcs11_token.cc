#include "hsm/pkcs11/pkcs11_token.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/pkcs11/key_object.h"
#include "hsm/pkcs11/token_link.h"
#include "hsm/policy.h"

namespace assay::pkcs11 {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

// Nothing when the scalar is not in [1, n-1].
std::optional<hsm::PublicPoint> PointOfScalar(const SecretBytes& scalar) {
  EC_KEY* key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  const EC_GROUP* group = EC_KEY_get0_group(key);
  BIGNUM* number = BN_secure_new();
  BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), number);
  EC_POINT* point = EC_POINT_new(group);
  std::optional<hsm::PublicPoint> encoded;
  if (!BN_is_zero(number) && BN_cmp(number, EC_GROUP_get0_order(group)) < 0 &&
      EC_POINT_mul(group, point, number, nullptr, nullptr, nullptr) == 1) {
    encoded.emplace();
    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded->data(),
                       encoded->size(), nullptr);
  }
  EC_POINT_free(point);
  BN_clear_free(number);
  EC_KEY_free(key);
  return encoded;
}

std::string Version(const CK_VERSION& version) {
  return absl::StrCat(static_cast<int>(version.major), ".", static_cast<int>(version.minor));
}

bool IsTemplateRefused(const Step& step) {
  return step.rv == CKR_TEMPLATE_INCONSISTENT || step.rv == CKR_ATTRIBUTE_TYPE_INVALID ||
         step.rv == CKR_ATTRIBUTE_VALUE_INVALID || step.rv == CKR_ATTRIBUTE_READ_ONLY;
}

CK_MECHANISM Gcm(CK_GCM_PARAMS& params, const uint8_t* nonce, ByteView associated) {
  params.pIv = const_cast<uint8_t*>(nonce);
  params.ulIvLen = kNonceBytes;
  params.ulIvBits = kNonceBytes * 8;
  params.pAAD = const_cast<uint8_t*>(associated.data());
  params.ulAADLen = associated.size();
  params.ulTagBits = kTagBytes * 8;
  return {CKM_AES_GCM, &params, sizeof params};
}

class Pkcs11Token final : public hsm::Token {
 public:
  Pkcs11Token(std::shared_ptr<Module> module, Pkcs11Options options)
      : link_(std::move(module), std::move(options)) {}

  absl::StatusOr<hsm::TokenDescription> Describe() override {
    hsm::TokenDescription told;
    told.module = link_.module_path();
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      CK_TOKEN_INFO info{};
      const CK_RV rv = session.ck->C_GetTokenInfo(session.slot, &info);
      if (rv != CKR_OK) return Step::Fault("C_GetTokenInfo", Gone(rv));
      told.label = UnpadText(info.label, sizeof info.label);
      told.serial = UnpadText(info.serialNumber, sizeof info.serialNumber);
      told.manufacturer = UnpadText(info.manufacturerID, sizeof info.manufacturerID);
      told.model = UnpadText(info.model, sizeof info.model);
      told.firmware = Version(info.firmwareVersion);
      told.hardware = Version(info.hardwareVersion);
      return Step::Done();
    }));
    return told;
  }

  absl::StatusOr<hsm::KeyDescription> GenerateKey(std::string_view label,
                                                  hsm::KeyPurpose purpose) override {
    ASSAY_RETURN_IF_ERROR(CheckLabel(label));
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      std::vector<CK_OBJECT_HANDLE> halves;
      if (Step step = FindLeftHalves(session, label, halves); !step.ok()) return step;
      const Bytes id = NewId();
      const auto make = purpose == hsm::KeyPurpose::kSigning ? MakeSigningPair : MakeWrappingKey;
      return Write(session, [&](const Session& writable) {
        if (Step step = RemoveHalves(writable, label, halves); !step.ok()) return step;
        Step step = make(writable, label, id, false);
        if (IsTemplateRefused(step)) step = make(writable, label, id, true);
        return step;
      });
    }));
    absl::StatusOr<hsm::KeyDescription> key = FindKey(label);
    absl::Status fit = key.status();
    if (fit.ok()) fit = hsm::CheckKeyPolicy(*key);
    if (fit.ok() && purpose == hsm::KeyPurpose::kSigning) fit = CheckHealth(label);
    if (fit.ok()) return key;
    // Two that share a label cannot be told apart; a person has to look.
    if (key.ok()) DestroyKey(label).IgnoreError();
    return fit;
  }

  absl::StatusOr<hsm::KeyDescription> FindKey(std::string_view label) override {
    KeyObject key;
    // Asked for by name, the attributes are read anew: whoever asks may be looking for drift.
    Forget(label);
    ASSAY_RETURN_IF_ERROR(
        link_.Run([&](const Session& session) { return Lookup(session, label, key); }));
    return key.description;
  }

  absl::StatusOr<std::vector<hsm::KeyDescription>> ListKeys() override {
    std::vector<hsm::KeyDescription> keys;
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      keys.clear();
      for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
        std::vector<CK_OBJECT_HANDLE> handles;
        if (Step step = FindObjects(session, object_class, "", handles); !step.ok()) return step;
        for (const CK_OBJECT_HANDLE handle : handles) {
          KeyObject key;
          const Step step = ReadKey(session, object_class, handle, key);
          if (step.rv != CKR_OK) return step;
          // Keys of other kinds are others' keys.
          if (step.ok()) keys.push_back(std::move(key.description));
        }
      }
      return Step::Done();
    }));
    std::sort(keys.begin(), keys.end(),
              [](const auto& left, const auto& right) { return left.label < right.label; });
    return keys;
  }

  absl::Status DestroyKey(std::string_view label) override {
    ASSAY_RETURN_IF_ERROR(CheckLabel(label));
    Forget(label);
    {
      std::lock_guard lock(mutex_);
      known_.erase(std::string(label));
      first_met_.erase(std::string(label));
    }
    return link_.Run([&](const Session& session) {
      return Write(session,
                   [&](const Session& writable) { return DestroyObjects(writable, label); });
    });
  }

  absl::StatusOr<hsm::KeyDescription> ImportSigningKey(std::string_view label,
                                                       const SecretBytes& scalar) override {
    ASSAY_RETURN_IF_ERROR(CheckLabel(label));
    const auto point = scalar.size() == 32 ? PointOfScalar(scalar) : std::nullopt;
    if (!point) {
      return Refuse(Reason::HSM_KEY_UNFIT,
                    "the scalar must be 32 bytes, from 1 to the order less 1");
    }
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      std::vector<CK_OBJECT_HANDLE> halves;
      if (Step step = FindLeftHalves(session, label, halves); !step.ok()) return step;
      const Bytes id = NewId();
      return Write(session, [&](const Session& writable) {
        if (Step step = RemoveHalves(writable, label, halves); !step.ok()) return step;
        return ImportPair(writable, label, id, scalar, *point);
      });
    }));
    absl::StatusOr<hsm::KeyDescription> key = FindKey(label);
    absl::Status fit = key.status();
    if (fit.ok()) fit = hsm::CheckKeyPolicy(*key, hsm::KeyOrigin::kImportAllowed);
    if (fit.ok()) fit = CheckHealth(label);
    if (fit.ok()) return key;
    if (key.ok()) DestroyKey(label).IgnoreError();
    return fit;
  }

  absl::StatusOr<hsm::RawSignature> Sign(std::string_view label,
                                         const Sha256Digest& digest) override {
    hsm::RawSignature signature{};
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      KeyObject key;
      return SignWith(session, label, digest, key, signature);
    }));
    return signature;
  }

  absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                ByteView associated) override {
    Bytes sealed(kNonceBytes + plaintext.size() + kTagBytes);
    if (RAND_bytes(sealed.data(), kNonceBytes) != 1) {
      return Refuse(Reason::INTERNAL, "the system gives no randomness");
    }
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      KeyObject key;
      if (Step step = Lookup(session, label, key, hsm::KeyPurpose::kWrapping); !step.ok()) {
        return step;
      }
      CK_GCM_PARAMS params{};
      CK_MECHANISM mechanism = Gcm(params, sealed.data(), associated);
      CK_RV rv = session.ck->C_EncryptInit(session.handle, &mechanism, key.handle);
      if (rv != CKR_OK) return Step::Fault("C_EncryptInit", rv);
      CK_ULONG size = sealed.size() - kNonceBytes;
      // Some modules take a null pointer for a fault even where there is nothing to read.
      uint8_t nothing = 0;
      uint8_t* plain = plaintext.empty() ? &nothing : const_cast<uint8_t*>(plaintext.data());
      rv = session.ck->C_Encrypt(session.handle, plain, plaintext.size(),
                                 sealed.data() + kNonceBytes, &size);
      if (rv != CKR_OK) return Step::Fault("C_Encrypt", rv);
      if (size == sealed.size() - kNonceBytes) return Step::Done();
      return Step::Refused(Refuse(Reason::HSM_UNAVAILABLE, "C_Encrypt gave another length"));
    }));
    return sealed;
  }

  absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                      ByteView associated) override {
    if (ciphertext.size() < kNonceBytes + kTagBytes) {
      return Refuse(Reason::HSM_DATA_REJECTED, "wrapped bytes are at least 28 long");
    }
    const ByteView body = ciphertext.subspan(kNonceBytes);
    // One block more: a token may hold back only the tag, or ask for room for all it was given.
    SecretBytes room(body.size() + kTagBytes);
    CK_ULONG size = 0;
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      KeyObject key;
      if (Step step = Lookup(session, label, key, hsm::KeyPurpose::kWrapping); !step.ok()) {
        return step;
      }
      CK_GCM_PARAMS params{};
      CK_MECHANISM mechanism = Gcm(params, ciphertext.data(), associated);
      CK_RV rv = session.ck->C_DecryptInit(session.handle, &mechanism, key.handle);
      if (rv != CKR_OK) return Step::Fault("C_DecryptInit", rv);
      size = room.size();
      rv = session.ck->C_Decrypt(session.handle, const_cast<uint8_t*>(body.data()), body.size(),
                                 room.data(), &size);
      return rv == CKR_OK ? Step::Done() : DecryptFault(rv);
    }));
    if (size != body.size() - kTagBytes) {
      return Refuse(Reason::HSM_UNAVAILABLE, "C_Decrypt gave another length");
    }
    return SecretBytes::CopyOf(room.view().first(size));
  }

  absl::Status FillRandom(std::span<uint8_t> out) override {
    if (out.empty()) return absl::OkStatus();
    return link_.Run([&](const Session& session) {
      const CK_RV rv = session.ck->C_GenerateRandom(session.handle, out.data(), out.size());
      return rv == CKR_OK ? Step::Done() : Step::Fault("C_GenerateRandom", rv);
    });
  }

  absl::Status CheckHealth(std::string_view label) override {
    Sha256Digest digest;
    if (RAND_bytes(digest.data(), static_cast<int>(digest.size())) != 1) {
      return Refuse(Reason::INTERNAL, "the system gives no randomness");
    }
    hsm::RawSignature signature{};
    KeyObject key;
    ASSAY_RETURN_IF_ERROR(link_.Run(
        [&](const Session& session) { return SignWith(session, label, digest, key, signature); }));
    if (hsm::VerifySignature(*key.description.public_point, digest, signature)) {
      return absl::OkStatus();
    }
    return Refuse(Reason::HSM_BAD_SIGNATURE,
                  absl::StrCat("C_Sign: the signature is not by key '", std::string(label), "'"));
  }

 private:
  struct Kept {
    uint64_t epoch;
    KeyObject key;
  };

  static CK_RV Gone(CK_RV rv) { return rv == CKR_GENERAL_ERROR ? CKR_TOKEN_NOT_PRESENT : rv; }

  // C_DecryptInit vouched for session and key, so what fails now fails for the bytes given, save
  // what the token says of itself. SoftHSM has CKR_GENERAL_ERROR for a wrong tag.
  static Step DecryptFault(CK_RV rv) {
    const CkrClass c = ClassOf(rv);
    if (c == CkrClass::kInput || rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED) {
      return Step::Refused(
          Refuse(Reason::HSM_DATA_REJECTED, absl::StrCat("C_Decrypt: ", std::string(CkrName(rv)))));
    }
    return Step::Fault("C_Decrypt", rv);
  }

  static absl::Status CheckLabel(std::string_view label) {
    if (!label.empty() && label.size() <= 128) return absl::OkStatus();
    return RefuseField(Reason::HSM_KEY_UNFIT, "CKA_LABEL", std::string(label),
                       "must be 1 to 128 bytes");
  }

  static Bytes NewId() {
    Bytes id(kIdBytes);
    RAND_bytes(id.data(), static_cast<int>(id.size()));
    return id;
  }

  // Public halves alone hold no secret and have never been anybody's key.
  static Step RemoveHalves(const Session& writable, std::string_view label,
                           const std::vector<CK_OBJECT_HANDLE>& halves) {
    for (const CK_OBJECT_HANDLE half : halves) {
      LogWarning("hsm_half_key_removed", {{"label", label}});
      const CK_RV rv = writable.ck->C_DestroyObject(writable.handle, half);
      if (rv != CKR_OK) return Step::Fault("C_DestroyObject", rv);
    }
    return Step::Done();
  }

  // Sessions that sign are read-only; a token may bear few of the other kind.
  static Step Write(const Session& session, absl::FunctionRef<Step(const Session&)> work) {
    Session writable = session;
    const CK_RV rv = session.ck->C_OpenSession(session.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                               nullptr, nullptr, &writable.handle);
    if (rv != CKR_OK) return Step::Fault("C_OpenSession", rv);
    Step step = work(writable);
    session.ck->C_CloseSession(writable.handle);
    return step;
  }

  void Forget(std::string_view label) {
    std::lock_guard lock(mutex_);
    if (const auto kept = kept_.find(label); kept != kept_.end()) kept_.erase(kept);
  }

  // The key, found once an epoch.
  Step Lookup(const Session& session, std::string_view label, KeyObject& key) {
    {
      std::lock_guard lock(mutex_);
      const auto kept = kept_.find(label);
      if (kept != kept_.end() && kept->second.epoch == session.epoch) {
        key = kept->second.key;
        return Step::Done();
      }
    }
    const Step step = FindKeyObject(session, label, key);
    std::lock_guard lock(mutex_);
    if (step.ok()) {
      const auto first = first_met_.try_emplace(std::string(label), key.description).first;
      const std::string_view drifted = hsm::DriftedAttribute(first->second, key.description);
      if (!drifted.empty()) {
        return Step::Refused(RefuseField(Reason::HSM_KEY_UNFIT, {drifted.data(), drifted.size()},
                                         std::string(label),
                                         "must stay as it was when the key was first met"));
      }
      kept_[std::string(label)] = {session.epoch, key};
      known_.insert(std::string(label));
      return step;
    }
    // A key that was there and is not: either destroyed, or the session sees an empty token. Try
    // the cures once, and believe the answer the next time.
    if (HasReason(step.refusal, Reason::HSM_KEY_MISSING) && known_.erase(std::string(label)) > 0) {
      return Step::Fault("C_FindObjects", CKR_KEY_HANDLE_INVALID);
    }
    return step;
  }

  Step Lookup(const Session& session, std::string_view label, KeyObject& key,
              hsm::KeyPurpose purpose) {
    if (Step step = Lookup(session, label, key); !step.ok()) return step;
    if (absl::Status fit = hsm::CheckKeyPurpose(key.description, purpose); !fit.ok()) {
      return Step::Refused(std::move(fit));
    }
    return Step::Done();
  }

  Step SignWith(const Session& session, std::string_view label, const Sha256Digest& digest,
                KeyObject& key, hsm::RawSignature& signature) {
    if (Step step = Lookup(session, label, key, hsm::KeyPurpose::kSigning); !step.ok()) return step;
    CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
    CK_RV rv = session.ck->C_SignInit(session.handle, &mechanism, key.handle);
    if (rv != CKR_OK) return Step::Fault("C_SignInit", rv);
    CK_ULONG size = signature.size();
    rv = session.ck->C_Sign(session.handle, const_cast<uint8_t*>(digest.data()), digest.size(),
                            signature.data(), &size);
    if (rv != CKR_OK) return Step::Fault("C_Sign", rv);
    if (size == signature.size()) return Step::Done();
    return Step::Refused(Refuse(Reason::HSM_BAD_SIGNATURE,
                                absl::StrCat("C_Sign gave ", size, " bytes instead of 64")));
  }

  TokenLink link_;
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::set<std::string> known_;  // labels that were found at some time
  std::map<std::string, hsm::KeyDescription, std::less<>> first_met_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenPkcs11Token(Pkcs11Options options) {
  if (options.module_path.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "hsm.module", "", "the PKCS#11 module's path");
  }
  if (options.token_label.empty() && options.token_serial.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "hsm.token_label", "",
                       "the token's label or its serial number");
  }
  if (options.sessions < 1) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "hsm.sessions", absl::StrCat(options.sessions),
                       "must be at least 1");
  }
  ASSAY_RETURN_IF_ERROR(PinSource(options.pin_file, options.pin.Clone()).Check());
  absl::StatusOr<std::shared_ptr<Module>> module = Module::Share(options.module_path);
  if (!module.ok()) return module.status();
  return std::shared_ptr<hsm::Token>(
      std::make_shared<Pkcs11Token>(*std::move(module), std::move(options)));
}

}  // namespace assay::pkcs11
