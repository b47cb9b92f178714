#include "hsm/pkcs11/pkcs11_token.h"

#include <openssl/rand.h>

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/pkcs11/key_import.h"
#include "hsm/pkcs11/key_object.h"
#include "hsm/pkcs11/key_shelf.h"
#include "hsm/pkcs11/sealing.h"
#include "hsm/pkcs11/token_link.h"
#include "hsm/policy.h"

namespace assay::pkcs11 {
namespace {

std::string Version(const CK_VERSION& version) {
  return absl::StrCat(static_cast<int>(version.major), ".", static_cast<int>(version.minor));
}

bool IsTemplateRefused(const Step& step) {
  return step.rv == CKR_TEMPLATE_INCONSISTENT || step.rv == CKR_ATTRIBUTE_TYPE_INVALID ||
         step.rv == CKR_ATTRIBUTE_VALUE_INVALID || step.rv == CKR_ATTRIBUTE_READ_ONLY;
}

struct NeededMechanism {
  CK_MECHANISM_TYPE type;
  const char* name;
  CK_FLAGS flags;
};
constexpr NeededMechanism kForSigning[] = {
    {CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", CKF_GENERATE_KEY_PAIR},
    {CKM_ECDSA, "CKM_ECDSA", CKF_SIGN},
};
constexpr NeededMechanism kForWrapping[] = {
    {CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN", CKF_GENERATE},
    {CKM_AES_GCM, "CKM_AES_GCM", CKF_ENCRYPT | CKF_DECRYPT},
};

// A token that cannot be asked lacks nothing as far as we know.
std::string FirstLacking(const Session& session, std::span<const NeededMechanism> needed) {
  for (const NeededMechanism& mechanism : needed) {
    CK_MECHANISM_INFO info{};
    const CK_RV rv = session.ck->C_GetMechanismInfo(session.slot, mechanism.type, &info);
    const bool lists = rv == CKR_OK && (info.flags & mechanism.flags) == mechanism.flags;
    if (!lists && (rv == CKR_OK || rv == CKR_MECHANISM_INVALID)) return mechanism.name;
  }
  return "";
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
      told.signing_lacks = FirstLacking(session, kForSigning);
      told.wrapping_lacks = FirstLacking(session, kForWrapping);
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
    shelf_.Forget(label);
    ASSAY_RETURN_IF_ERROR(
        link_.Run([&](const Session& session) { return shelf_.Lookup(session, label, key); }));
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
    shelf_.Unlearn(label);
    return link_.Run([&](const Session& session) {
      return Write(session,
                   [&](const Session& writable) { return DestroyObjects(writable, label); });
    });
  }

  absl::StatusOr<hsm::ImportedKey> ImportSigningKey(std::string_view label,
                                                    const SecretBytes& scalar) override {
    ASSAY_RETURN_IF_ERROR(CheckLabel(label));
    const auto point = PointOfScalar(scalar);
    if (!point) {
      return Refuse(Reason::HSM_KEY_UNFIT,
                    "the scalar must be 32 bytes, from 1 to the order less 1");
    }
    bool wrapped = false;
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      std::vector<CK_OBJECT_HANDLE> halves;
      if (Step step = FindLeftHalves(session, label, halves); !step.ok()) return step;
      const Bytes id = NewId();
      return Write(session, [&](const Session& writable) {
        if (Step step = RemoveHalves(writable, label, halves); !step.ok()) return step;
        return ImportPair(writable, label, id, scalar, *point, wrapped);
      });
    }));
    absl::StatusOr<hsm::KeyDescription> key = FindKey(label);
    absl::Status fit = key.status();
    if (fit.ok()) fit = hsm::CheckKeyPolicy(*key, hsm::KeyOrigin::kImportAllowed);
    if (fit.ok()) fit = CheckHealth(label);
    if (fit.ok()) return hsm::ImportedKey{*std::move(key), wrapped};
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
    Bytes sealed(kSealNonceBytes + plaintext.size() + kSealTagBytes);
    if (RAND_bytes(sealed.data(), kSealNonceBytes) != 1) {
      return Refuse(Reason::INTERNAL, "the system gives no randomness");
    }
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      KeyObject key;
      Step step = shelf_.Lookup(session, label, key, hsm::KeyPurpose::kWrapping);
      if (step.ok()) step = SealWith(session, key.handle, plaintext, associated, sealed);
      return step;
    }));
    return sealed;
  }

  absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                      ByteView associated) override {
    if (ciphertext.size() < kSealNonceBytes + kSealTagBytes) {
      return Refuse(Reason::HSM_DATA_REJECTED, "wrapped bytes are at least 28 long");
    }
    const size_t body = ciphertext.size() - kSealNonceBytes;
    // One block more: a token may hold back only the tag, or ask for room for all it was given.
    SecretBytes room(body + kSealTagBytes);
    CK_ULONG size = 0;
    ASSAY_RETURN_IF_ERROR(link_.Run([&](const Session& session) {
      KeyObject key;
      Step step = shelf_.Lookup(session, label, key, hsm::KeyPurpose::kWrapping);
      if (step.ok()) step = UnsealWith(session, key.handle, ciphertext, associated, room, size);
      return step;
    }));
    if (size != body - kSealTagBytes) {
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
  static CK_RV Gone(CK_RV rv) { return rv == CKR_GENERAL_ERROR ? CKR_TOKEN_NOT_PRESENT : rv; }

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

  Step SignWith(const Session& session, std::string_view label, const Sha256Digest& digest,
                KeyObject& key, hsm::RawSignature& signature) {
    if (Step step = shelf_.Lookup(session, label, key, hsm::KeyPurpose::kSigning); !step.ok())
      return step;
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
  KeyShelf shelf_;
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
