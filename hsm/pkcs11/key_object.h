// Keys as objects in the token: templates to make them, attributes to read them.
#pragma once

#include <p11-kit/pkcs11.h>

#include <array>
#include <deque>
#include <string_view>
#include <vector>

#include "hsm/pkcs11/token_link.h"
#include "hsm/token.h"

namespace assay::pkcs11 {

// A template that owns its small values; byte strings are borrowed and must outlive it.
class Template {
 public:
  Template& Flag(CK_ATTRIBUTE_TYPE type, bool value);
  Template& Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& View(CK_ATTRIBUTE_TYPE type, ByteView value);
  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return attributes_.size(); }

 private:
  std::vector<CK_ATTRIBUTE> attributes_;
  std::deque<CK_BBOOL> flags_;
  std::deque<CK_ULONG> numbers_;
};

struct KeyObject {
  CK_OBJECT_HANDLE handle = 0;
  hsm::KeyDescription description;
};

// Bytes of the CKA_ID of a key made here.
inline constexpr size_t kIdBytes = 16;

// DER of the OID of P-256, as CKA_EC_PARAMS wants it.
ByteView P256Params();

// Handles of the persistent objects of that class; of any label where `label` is empty.
Step FindObjects(const Session& session, CK_OBJECT_CLASS object_class, std::string_view label,
                 std::vector<CK_OBJECT_HANDLE>& handles);
// What a run that was killed between the two halves of a key pair leaves: public keys of that label
// with an id as Assay draws it, while no private or secret key bears the label.
// HSM_KEY_UNFIT when the label is otherwise taken, also by a private key without its public half.
Step FindLeftHalves(const Session& session, std::string_view label,
                    std::vector<CK_OBJECT_HANDLE>& halves);
// Reads all a KeyDescription tells of a private or secret key, with the public half's point.
// HSM_KEY_UNFIT for a key that is neither on P-256 nor AES-256, naming the attribute.
Step ReadKey(const Session& session, CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE handle,
             KeyObject& key);
// HSM_KEY_MISSING, or HSM_KEY_UNFIT when two keys bear the label.
Step FindKeyObject(const Session& session, std::string_view label, KeyObject& key);

// `lean` leaves out what some tokens refuse to be told (CKA_MODIFIABLE and the uses that are off
// anyway).
Step MakeSigningPair(const Session& writable, std::string_view label, ByteView id, bool lean);
Step MakeWrappingKey(const Session& writable, std::string_view label, ByteView id, bool lean);
Step DestroyObjects(const Session& writable, std::string_view label);

}  // namespace assay::pkcs11
