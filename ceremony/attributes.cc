#include "ceremony/attributes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "hsm/policy.h"

namespace assay::ceremony {
namespace {

using hsm::KeyDescription;
using hsm::KeyPurpose;

struct Known {
  std::string_view name;
  std::optional<bool> (*read)(const KeyDescription&);
  bool signing;                                          // the value a signing key must have
  bool wrapping;                                         // and a wrapping key
  enum { kBoth, kPrivateKeys, kSecretKeys } of = kBoth;  // which have the attribute in Cryptoki
};

constexpr Known kKnown[] = {
    {"CKA_LOCAL", [](const KeyDescription& k) { return std::optional(k.local); }, true, true},
    {"CKA_PRIVATE", [](const KeyDescription& k) { return std::optional(k.hidden); }, true, true},
    {"CKA_SENSITIVE", [](const KeyDescription& k) { return std::optional(k.sensitive); }, true,
     true},
    {"CKA_ALWAYS_SENSITIVE",
     [](const KeyDescription& k) { return std::optional(k.always_sensitive); }, true, true},
    {"CKA_EXTRACTABLE", [](const KeyDescription& k) { return std::optional(k.extractable); }, false,
     false},
    {"CKA_NEVER_EXTRACTABLE",
     [](const KeyDescription& k) { return std::optional(k.never_extractable); }, true, true},
    {"CKA_MODIFIABLE", [](const KeyDescription& k) { return k.modifiable; }, false, false},
    {"CKA_SIGN", [](const KeyDescription& k) { return std::optional(k.sign); }, true, false},
    {"CKA_SIGN_RECOVER", [](const KeyDescription& k) { return std::optional(k.sign_recover); },
     false, false, Known::kPrivateKeys},
    {"CKA_VERIFY", [](const KeyDescription& k) { return std::optional(k.verify); }, false, false,
     Known::kSecretKeys},
    {"CKA_DECRYPT", [](const KeyDescription& k) { return std::optional(k.decrypt); }, false, true},
    {"CKA_ENCRYPT", [](const KeyDescription& k) { return std::optional(k.encrypt); }, false, true,
     Known::kSecretKeys},
    {"CKA_UNWRAP", [](const KeyDescription& k) { return std::optional(k.unwrap); }, false, false},
    {"CKA_WRAP", [](const KeyDescription& k) { return std::optional(k.wrap); }, false, false,
     Known::kSecretKeys},
    {"CKA_DERIVE", [](const KeyDescription& k) { return std::optional(k.derive); }, false, false},
};

bool Applies(const Known& known, KeyPurpose purpose) {
  return known.of != (purpose == KeyPurpose::kSigning ? Known::kSecretKeys : Known::kPrivateKeys);
}

}  // namespace

std::vector<Attribute> AttributesOf(const KeyDescription& key) {
  std::vector<Attribute> attributes;
  for (const Known& known : kKnown) {
    if (!Applies(known, key.purpose)) continue;
    const bool told = std::ranges::find(key.untold, known.name) == key.untold.end();
    attributes.push_back({known.name, told ? known.read(key) : std::nullopt});
  }
  return attributes;
}

WrittenPolicy HousePolicy(KeyPurpose purpose) {
  WrittenPolicy policy;
  for (const Known& known : kKnown) {
    if (!Applies(known, purpose)) continue;
    policy.emplace(known.name, purpose == KeyPurpose::kSigning ? known.signing : known.wrapping);
  }
  return policy;
}

absl::Status CheckAgainst(const WrittenPolicy& policy, const KeyDescription& key) {
  for (const Attribute& attribute : AttributesOf(key)) {
    const auto demanded = policy.find(attribute.name);
    if (demanded == policy.end() || !attribute.value || *attribute.value == demanded->second) {
      continue;
    }
    return RefuseField(Reason::HSM_KEY_UNFIT, std::string(attribute.name),
                       *attribute.value ? "true" : "false",
                       absl::StrCat("the file demands ", demanded->second ? "true" : "false",
                                    " of key '", key.label, "'"));
  }
  return hsm::CheckKeyPolicy(key);
}

}  // namespace assay::ceremony
