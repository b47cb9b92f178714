#include "hsm/pkcs11/key_object.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

constexpr uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr CK_ULONG kWrappingKeyBytes = 32;

absl::Status Unfit(absl::string_view attribute, std::string_view label, absl::string_view rule) {
  return RefuseField(Reason::HSM_KEY_UNFIT, attribute, "",
                     absl::StrCat(rule, " for key '", std::string(label), "'"));
}

// Several attributes in one call: object reads are throttled on some devices.
class Reader {
 public:
  void Ask(CK_ATTRIBUTE_TYPE type, size_t room) {
    room_.emplace_back(room);
    asked_.push_back({type, room_.back().data(), room});
  }

  Step Read(const Session& session, CK_OBJECT_HANDLE object) {
    const CK_RV rv =
        session.ck->C_GetAttributeValue(session.handle, object, asked_.data(), asked_.size());
    // These say that some attributes were not told; the others were.
    if (rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE) {
      return Step::Done();
    }
    return Step::Fault("C_GetAttributeValue", rv);
  }

  // Nothing where the token did not tell.
  std::optional<ByteView> Get(CK_ATTRIBUTE_TYPE type) const {
    for (const CK_ATTRIBUTE& attribute : asked_) {
      if (attribute.type != type || attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) continue;
      return ByteView(static_cast<const uint8_t*>(attribute.pValue), attribute.ulValueLen);
    }
    return std::nullopt;
  }
  std::optional<bool> Flag(CK_ATTRIBUTE_TYPE type) const {
    const auto value = Get(type);
    if (!value || value->size() != sizeof(CK_BBOOL)) return std::nullopt;
    return (*value)[0] != CK_FALSE;
  }
  std::optional<CK_ULONG> Number(CK_ATTRIBUTE_TYPE type) const {
    const auto value = Get(type);
    if (!value || value->size() != sizeof(CK_ULONG)) return std::nullopt;
    CK_ULONG number;
    std::copy(value->begin(), value->end(), reinterpret_cast<uint8_t*>(&number));
    return number;
  }

 private:
  std::deque<Bytes> room_;
  std::vector<CK_ATTRIBUTE> asked_;
};

// CKA_EC_POINT is an OCTET STRING in DER; some modules give the bare point.
std::optional<hsm::PublicPoint> PointOf(ByteView value) {
  hsm::PublicPoint point;
  if (value.size() == point.size() + 2 && value[0] == 0x04 && value[1] == point.size()) {
    value = value.subspan(2);
  }
  if (value.size() != point.size() || value[0] != 0x04) return std::nullopt;
  std::copy(value.begin(), value.end(), point.begin());
  return point;
}

enum class Bearer { kBoth, kPrivateKeys, kSecretKeys };

// An attribute, where it goes, and what it reads as where the token does not tell it.
struct FlagRule {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
  bool hsm::KeyDescription::*member;
  bool untold = false;
  Bearer bearer = Bearer::kBoth;
};

constexpr FlagRule kFlags[] = {
    {CKA_PRIVATE, "CKA_PRIVATE", &hsm::KeyDescription::hidden},
    {CKA_SENSITIVE, "CKA_SENSITIVE", &hsm::KeyDescription::sensitive},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", &hsm::KeyDescription::always_sensitive},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", &hsm::KeyDescription::extractable, true},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", &hsm::KeyDescription::never_extractable},
    {CKA_LOCAL, "CKA_LOCAL", &hsm::KeyDescription::local},
    {CKA_SIGN, "CKA_SIGN", &hsm::KeyDescription::sign},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", &hsm::KeyDescription::sign_recover, false,
     Bearer::kPrivateKeys},
    {CKA_VERIFY, "CKA_VERIFY", &hsm::KeyDescription::verify, false, Bearer::kSecretKeys},
    {CKA_DECRYPT, "CKA_DECRYPT", &hsm::KeyDescription::decrypt},
    {CKA_UNWRAP, "CKA_UNWRAP", &hsm::KeyDescription::unwrap},
    {CKA_DERIVE, "CKA_DERIVE", &hsm::KeyDescription::derive},
    {CKA_ENCRYPT, "CKA_ENCRYPT", &hsm::KeyDescription::encrypt, false, Bearer::kSecretKeys},
    {CKA_WRAP, "CKA_WRAP", &hsm::KeyDescription::wrap, false, Bearer::kSecretKeys},
};

bool Has(const FlagRule& rule, bool is_private) {
  return rule.bearer != (is_private ? Bearer::kSecretKeys : Bearer::kPrivateKeys);
}

// The public half: an object of its own with the same label and id.
Step ReadPoint(const Session& session, KeyObject& key) {
  std::vector<CK_OBJECT_HANDLE> handles;
  Step step = FindObjects(session, CKO_PUBLIC_KEY, key.description.label, handles);
  if (!step.ok()) return step;
  for (const CK_OBJECT_HANDLE handle : handles) {
    Reader reader;
    reader.Ask(CKA_ID, 256);
    reader.Ask(CKA_EC_POINT, 160);
    if (step = reader.Read(session, handle); !step.ok()) return step;
    const auto id = reader.Get(CKA_ID);
    if (id && !std::ranges::equal(*id, key.description.id)) continue;
    if (const auto point = reader.Get(CKA_EC_POINT)) key.description.public_point = PointOf(*point);
  }
  if (key.description.public_point) return Step::Done();
  return Step::Refused(Unfit("CKA_EC_POINT", key.description.label,
                             "must be readable from a public key of the same label and id; a run "
                             "that was killed may have left half a key"));
}

}  // namespace

ByteView P256Params() { return kP256Oid; }

Template& Template::Flag(CK_ATTRIBUTE_TYPE type, bool value) {
  flags_.push_back(value ? CK_TRUE : CK_FALSE);
  attributes_.push_back({type, &flags_.back(), sizeof(CK_BBOOL)});
  return *this;
}

Template& Template::Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  numbers_.push_back(value);
  attributes_.push_back({type, &numbers_.back(), sizeof(CK_ULONG)});
  return *this;
}

Template& Template::View(CK_ATTRIBUTE_TYPE type, ByteView value) {
  attributes_.push_back({type, const_cast<uint8_t*>(value.data()), value.size()});
  return *this;
}

Step FindObjects(const Session& session, CK_OBJECT_CLASS object_class, std::string_view label,
                 std::vector<CK_OBJECT_HANDLE>& handles) {
  Template wanted;
  wanted.Number(CKA_CLASS, object_class).Flag(CKA_TOKEN, true);
  if (!label.empty()) wanted.View(CKA_LABEL, AsBytes(label));
  CK_RV rv = session.ck->C_FindObjectsInit(session.handle, wanted.data(), wanted.size());
  if (rv != CKR_OK) return Step::Fault("C_FindObjectsInit", rv);
  CK_OBJECT_HANDLE batch[32];
  CK_ULONG count = 0;
  do {
    rv = session.ck->C_FindObjects(session.handle, batch, std::size(batch), &count);
    if (rv != CKR_OK) break;
    handles.insert(handles.end(), batch, batch + count);
  } while (count > 0);
  const CK_RV final_rv = session.ck->C_FindObjectsFinal(session.handle);
  if (rv != CKR_OK) return Step::Fault("C_FindObjects", rv);
  if (final_rv != CKR_OK) return Step::Fault("C_FindObjectsFinal", final_rv);
  return Step::Done();
}

Step FindLeftHalves(const Session& session, std::string_view label,
                    std::vector<CK_OBJECT_HANDLE>& halves) {
  std::vector<CK_OBJECT_HANDLE> privates, secrets, publics;
  for (auto& [object_class, handles] :
       {std::pair{CKO_PRIVATE_KEY, &privates}, std::pair{CKO_SECRET_KEY, &secrets},
        std::pair{CKO_PUBLIC_KEY, &publics}}) {
    if (Step step = FindObjects(session, object_class, label, *handles); !step.ok()) return step;
  }
  if (!privates.empty() && publics.empty() && secrets.empty()) {
    return Step::Refused(Unfit(
        "CKA_LABEL", label,
        "is borne by a private key without its public half, as a run that was killed leaves it: "
        "remove it with the HSM's own tool (pkcs11-tool --delete-object --type privkey --label)"));
  }
  bool taken = !privates.empty() || !secrets.empty();
  for (const CK_OBJECT_HANDLE handle : publics) {
    Reader reader;
    reader.Ask(CKA_ID, 256);
    if (Step step = reader.Read(session, handle); !step.ok()) return step;
    const auto id = reader.Get(CKA_ID);
    taken = taken || !id || id->size() != kIdBytes;
  }
  if (taken) {
    return Step::Refused(Unfit("CKA_LABEL", label, "must not be taken by another key"));
  }
  halves = std::move(publics);
  return Step::Done();
}

Step ReadKey(const Session& session, CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE handle,
             KeyObject& key) {
  const bool is_private = object_class == CKO_PRIVATE_KEY;
  Reader reader;
  reader.Ask(CKA_LABEL, 256);
  reader.Ask(CKA_ID, 256);
  reader.Ask(CKA_KEY_TYPE, sizeof(CK_ULONG));
  for (const FlagRule& rule : kFlags) {
    if (Has(rule, is_private)) reader.Ask(rule.type, sizeof(CK_BBOOL));
  }
  reader.Ask(CKA_MODIFIABLE, sizeof(CK_BBOOL));
  is_private ? reader.Ask(CKA_EC_PARAMS, 256) : reader.Ask(CKA_VALUE_LEN, sizeof(CK_ULONG));
  Step step = reader.Read(session, handle);
  if (!step.ok()) return step;

  key.handle = handle;
  hsm::KeyDescription& told = key.description;
  told.label = ToText(reader.Get(CKA_LABEL).value_or(ByteView()));
  told.id = ToBytes(reader.Get(CKA_ID).value_or(ByteView()));
  told.purpose = is_private ? hsm::KeyPurpose::kSigning : hsm::KeyPurpose::kWrapping;
  for (const FlagRule& rule : kFlags) {
    if (!Has(rule, is_private)) continue;
    const std::optional<bool> flag = reader.Flag(rule.type);
    told.*rule.member = flag.value_or(rule.untold);
    if (!flag) told.untold.emplace_back(rule.name);
  }
  told.modifiable = reader.Flag(CKA_MODIFIABLE);
  if (is_private) {
    if (reader.Number(CKA_KEY_TYPE) != CKK_EC) {
      return Step::Refused(Unfit("CKA_KEY_TYPE", told.label, "must be CKK_EC"));
    }
    const auto params = reader.Get(CKA_EC_PARAMS);
    if (params && !std::ranges::equal(*params, P256Params())) {
      return Step::Refused(Unfit("CKA_EC_PARAMS", told.label, "must name P-256"));
    }
    return ReadPoint(session, key);
  }
  if (reader.Number(CKA_KEY_TYPE) != CKK_AES) {
    return Step::Refused(Unfit("CKA_KEY_TYPE", told.label, "must be CKK_AES"));
  }
  if (reader.Number(CKA_VALUE_LEN).value_or(kWrappingKeyBytes) != kWrappingKeyBytes) {
    return Step::Refused(Unfit("CKA_VALUE_LEN", told.label, "must be 32"));
  }
  return Step::Done();
}

Step FindKeyObject(const Session& session, std::string_view label, KeyObject& key) {
  CK_OBJECT_CLASS found_class = 0;
  CK_OBJECT_HANDLE found = 0;
  size_t count = 0;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    std::vector<CK_OBJECT_HANDLE> handles;
    if (Step step = FindObjects(session, object_class, label, handles); !step.ok()) return step;
    if (handles.empty()) continue;
    found_class = object_class;
    found = handles.front();
    count += handles.size();
  }
  if (count == 0) {
    // A token that went away looks like an empty one; ask it once more whether it is there.
    CK_TOKEN_INFO info{};
    if (const CK_RV rv = session.ck->C_GetTokenInfo(session.slot, &info); rv != CKR_OK) {
      return Step::Fault("C_GetTokenInfo", rv == CKR_GENERAL_ERROR ? CKR_TOKEN_NOT_PRESENT : rv);
    }
    return Step::Refused(
        Refuse(Reason::HSM_KEY_MISSING,
               absl::StrCat("no key is labelled '", std::string(label), "' in token '",
                            UnpadText(info.label, sizeof info.label), "'")));
  }
  if (count > 1) {
    const std::string rule = absl::StrCat("must be unique, ", count, " keys bear it,");
    return Step::Refused(Unfit("CKA_LABEL", label, rule));
  }
  Step step = ReadKey(session, found_class, found, key);
  if (step.ok() && key.description.label.empty()) key.description.label = label;
  return step;
}

Step MakeSigningPair(const Session& writable, std::string_view label, ByteView id, bool lean) {
  // Nothing is said of CKA_VERIFY and CKA_ENCRYPT: Assay verifies outside the token, and
  // tpm2-pkcs11 takes either for a wish to have a key that decrypts.
  Template public_half, private_half;
  public_half.Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, false)
      .View(CKA_LABEL, AsBytes(label))
      .View(CKA_ID, id)
      .View(CKA_EC_PARAMS, P256Params());
  private_half.Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_SIGN, true)
      .View(CKA_LABEL, AsBytes(label))
      .View(CKA_ID, id);
  if (!lean) {
    public_half.Flag(CKA_MODIFIABLE, false);
    private_half.Flag(CKA_MODIFIABLE, false)
        .Flag(CKA_DECRYPT, false)
        .Flag(CKA_UNWRAP, false)
        .Flag(CKA_DERIVE, false)
        .Flag(CKA_SIGN_RECOVER, false);
  }
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_handle, private_handle;
  const CK_RV rv = writable.ck->C_GenerateKeyPair(
      writable.handle, &mechanism, public_half.data(), public_half.size(), private_half.data(),
      private_half.size(), &public_handle, &private_handle);
  return rv == CKR_OK ? Step::Done() : Step::Fault("C_GenerateKeyPair", rv);
}

Step MakeWrappingKey(const Session& writable, std::string_view label, ByteView id, bool lean) {
  Template key;
  key.Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_ENCRYPT, true)
      .Flag(CKA_DECRYPT, true)
      .View(CKA_LABEL, AsBytes(label))
      .View(CKA_ID, id)
      .Number(CKA_VALUE_LEN, kWrappingKeyBytes);
  if (!lean) {
    key.Flag(CKA_MODIFIABLE, false)
        .Flag(CKA_SIGN, false)
        .Flag(CKA_VERIFY, false)
        .Flag(CKA_WRAP, false)
        .Flag(CKA_UNWRAP, false)
        .Flag(CKA_DERIVE, false);
  }
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE handle;
  const CK_RV rv =
      writable.ck->C_GenerateKey(writable.handle, &mechanism, key.data(), key.size(), &handle);
  if (rv == CKR_MECHANISM_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED) {
    return Step::Refused(Refuse(
        Reason::HSM_KEY_UNFIT,
        absl::StrCat("the token cannot make AES keys: C_GenerateKey: ", std::string(CkrName(rv)))));
  }
  return rv == CKR_OK ? Step::Done() : Step::Fault("C_GenerateKey", rv);
}

Step DestroyObjects(const Session& writable, std::string_view label) {
  size_t destroyed = 0;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY}) {
    std::vector<CK_OBJECT_HANDLE> handles;
    if (Step step = FindObjects(writable, object_class, label, handles); !step.ok()) return step;
    for (const CK_OBJECT_HANDLE handle : handles) {
      const CK_RV rv = writable.ck->C_DestroyObject(writable.handle, handle);
      if (rv != CKR_OK) return Step::Fault("C_DestroyObject", rv);
      ++destroyed;
    }
  }
  if (destroyed > 0) return Step::Done();
  return Step::Refused(Refuse(Reason::HSM_KEY_MISSING,
                              absl::StrCat("no key is labelled '", std::string(label), "'")));
}

}  // namespace assay::pkcs11
