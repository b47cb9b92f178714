#include "ceremony/attributes.h"

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
  bool signing;   // the value a signing key must have
  bool wrapping;  // and a wrapping key
  // Private keys have no such attribute in Cryptoki.
  bool secret_keys_only = false;
};

constexpr Known kKnown[] = {
    {"CKA_LOCAL", [](const KeyDescription& k) { return std::optional(k.local); }, true, true},
    {"CKA_SENSITIVE", [](const KeyDescription& k) { return std::optional(k.sensitive); }, true,
     true},
    {"CKA_EXTRACTABLE", [](const KeyDescription& k) { return std::optional(k.extractable); }, false,
     false},
    {"CKA_NEVER_EXTRACTABLE",
     [](const KeyDescription& k) { return std::optional(k.never_extractable); }, true, true},
    {"CKA_MODIFIABLE", [](const KeyDescription& k) { return k.modifiable; }, false, false},
    {"CKA_SIGN", [](const KeyDescription& k) { return std::optional(k.sign); }, true, false},
    {"CKA_DECRYPT", [](const KeyDescription& k) { return std::optional(k.decrypt); }, false, true},
    {"CKA_ENCRYPT", [](const KeyDescription& k) { return std::optional(k.encrypt); }, false, true,
     true},
    {"CKA_UNWRAP", [](const KeyDescription& k) { return std::optional(k.unwrap); }, false, false},
    {"CKA_WRAP", [](const KeyDescription& k) { return std::optional(k.wrap); }, false, false, true},
    {"CKA_DERIVE", [](const KeyDescription& k) { return std::optional(k.derive); }, false, false},
};

bool Applies(const Known& known, KeyPurpose purpose) {
  return purpose == KeyPurpose::kWrapping || !known.secret_keys_only;
}

}  // namespace

std::vector<Attribute> AttributesOf(const KeyDescription& key) {
  std::vector<Attribute> attributes;
  for (const Known& known : kKnown) {
    if (Applies(known, key.purpose)) attributes.push_back({known.name, known.read(key)});
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
