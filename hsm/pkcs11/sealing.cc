#include "hsm/pkcs11/sealing.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

CK_MECHANISM Gcm(CK_GCM_PARAMS& params, const uint8_t* nonce, ByteView associated) {
  params.pIv = const_cast<uint8_t*>(nonce);
  params.ulIvLen = kSealNonceBytes;
  params.ulIvBits = kSealNonceBytes * 8;
  params.pAAD = const_cast<uint8_t*>(associated.data());
  params.ulAADLen = associated.size();
  params.ulTagBits = kSealTagBytes * 8;
  return {CKM_AES_GCM, &params, sizeof params};
}

// C_DecryptInit vouched for session and key, so what fails now fails for the bytes given, save
// what the token says of itself. SoftHSM has CKR_GENERAL_ERROR for a wrong tag.
Step DecryptFault(CK_RV rv) {
  const CkrClass c = ClassOf(rv);
  if (c == CkrClass::kInput || rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED) {
    return Step::Refused(
        Refuse(Reason::HSM_DATA_REJECTED, absl::StrCat("C_Decrypt: ", std::string(CkrName(rv)))));
  }
  return Step::Fault("C_Decrypt", rv);
}

}  // namespace

Step SealWith(const Session& session, CK_OBJECT_HANDLE key, ByteView plaintext, ByteView associated,
              Bytes& sealed) {
  CK_GCM_PARAMS params{};
  CK_MECHANISM mechanism = Gcm(params, sealed.data(), associated);
  CK_RV rv = session.ck->C_EncryptInit(session.handle, &mechanism, key);
  if (rv != CKR_OK) return Step::Fault("C_EncryptInit", rv);
  CK_ULONG size = sealed.size() - kSealNonceBytes;
  // Some modules take a null pointer for a fault even where there is nothing to read.
  uint8_t nothing = 0;
  uint8_t* plain = plaintext.empty() ? &nothing : const_cast<uint8_t*>(plaintext.data());
  rv = session.ck->C_Encrypt(session.handle, plain, plaintext.size(),
                             sealed.data() + kSealNonceBytes, &size);
  if (rv != CKR_OK) return Step::Fault("C_Encrypt", rv);
  if (size == sealed.size() - kSealNonceBytes) return Step::Done();
  return Step::Refused(Refuse(Reason::HSM_UNAVAILABLE, "C_Encrypt gave another length"));
}

Step UnsealWith(const Session& session, CK_OBJECT_HANDLE key, ByteView sealed, ByteView associated,
                SecretBytes& room, CK_ULONG& size) {
  CK_GCM_PARAMS params{};
  CK_MECHANISM mechanism = Gcm(params, sealed.data(), associated);
  CK_RV rv = session.ck->C_DecryptInit(session.handle, &mechanism, key);
  if (rv != CKR_OK) return Step::Fault("C_DecryptInit", rv);
  const ByteView body = sealed.subspan(kSealNonceBytes);
  size = room.size();
  rv = session.ck->C_Decrypt(session.handle, const_cast<uint8_t*>(body.data()), body.size(),
                             room.data(), &size);
  return rv == CKR_OK ? Step::Done() : DecryptFault(rv);
}

}  // namespace assay::pkcs11
