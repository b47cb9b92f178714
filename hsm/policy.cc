#include "hsm/policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "hsm/p256.h"

namespace assay::hsm {
namespace {

struct Check {
  absl::string_view attribute;
  absl::string_view rule;
  bool (*holds)(const KeyDescription&);
};

constexpr Check kEveryKey[] = {
    {"CKA_LABEL", "must not be empty",
     [](const KeyDescription& key) { return !key.label.empty(); }},
    {"CKA_PRIVATE", "must be true", [](const KeyDescription& key) { return key.hidden; }},
    {"CKA_SENSITIVE", "must be true", [](const KeyDescription& key) { return key.sensitive; }},
    {"CKA_EXTRACTABLE", "must be false",
     [](const KeyDescription& key) { return !key.extractable; }},
    {"CKA_DERIVE", "must be false", [](const KeyDescription& key) { return !key.derive; }},
    {"CKA_UNWRAP", "must be false", [](const KeyDescription& key) { return !key.unwrap; }},
    {"CKA_WRAP", "must be false", [](const KeyDescription& key) { return !key.wrap; }},
    {"CKA_MODIFIABLE", "must be false",
     [](const KeyDescription& key) { return !key.modifiable.value_or(false); }},
};
constexpr Check kMadeInside[] = {
    {"CKA_LOCAL", "must be true", [](const KeyDescription& key) { return key.local; }},
    {"CKA_ALWAYS_SENSITIVE", "must be true",
     [](const KeyDescription& key) { return key.always_sensitive; }},
    {"CKA_NEVER_EXTRACTABLE", "must be true",
     [](const KeyDescription& key) { return key.never_extractable; }},
};
constexpr Check kSigningKey[] = {
    {"CKA_EC_POINT", "must be a point on P-256",
     [](const KeyDescription& key) { return key.public_point && IsOnP256(*key.public_point); }},
    {"CKA_SIGN", "must be true", [](const KeyDescription& key) { return key.sign; }},
    {"CKA_SIGN_RECOVER", "must be false",
     [](const KeyDescription& key) { return !key.sign_recover; }},
    {"CKA_DECRYPT", "must be false", [](const KeyDescription& key) { return !key.decrypt; }},
    {"CKA_ENCRYPT", "must be false", [](const KeyDescription& key) { return !key.encrypt; }},
};
constexpr Check kWrappingKey[] = {
    {"CKA_ENCRYPT", "must be true", [](const KeyDescription& key) { return key.encrypt; }},
    {"CKA_DECRYPT", "must be true", [](const KeyDescription& key) { return key.decrypt; }},
    {"CKA_SIGN", "must be false", [](const KeyDescription& key) { return !key.sign; }},
    {"CKA_VERIFY", "must be false", [](const KeyDescription& key) { return !key.verify; }},
};

std::span<const Check> ChecksFor(KeyPurpose purpose) {
  return purpose == KeyPurpose::kSigning ? std::span<const Check>(kSigningKey)
                                         : std::span<const Check>(kWrappingKey);
}

absl::Status Apply(std::span<const Check> checks, const KeyDescription& key) {
  for (const Check& check : checks) {
    if (check.holds(key)) continue;
    const bool told = std::ranges::find(key.untold, check.attribute) == key.untold.end();
    return RefuseField(Reason::HSM_KEY_UNFIT, check.attribute, "",
                       absl::StrCat(check.rule, " for key '", key.label, "'",
                                    told ? "" : "; the token does not tell it"));
  }
  return absl::OkStatus();
}

absl::string_view NameOf(KeyPurpose purpose) {
  return purpose == KeyPurpose::kSigning ? "signing" : "wrapping";
}

}  // namespace

absl::Status CheckKeyPolicy(const KeyDescription& key, KeyOrigin origin) {
  ASSAY_RETURN_IF_ERROR(Apply(kEveryKey, key));
  if (origin == KeyOrigin::kMadeInToken) ASSAY_RETURN_IF_ERROR(Apply(kMadeInside, key));
  return Apply(ChecksFor(key.purpose), key);
}

absl::Status CheckKeyPurpose(const KeyDescription& key, KeyPurpose purpose) {
  if (key.purpose == purpose) return absl::OkStatus();
  return RefuseField(Reason::HSM_KEY_UNFIT, "CKA_CLASS", NameOf(key.purpose),
                     absl::StrCat("key '", key.label, "' must be a ", NameOf(purpose), " key"));
}

std::vector<PolicyRule> PolicyInWords(KeyPurpose purpose, KeyOrigin origin) {
  std::vector<PolicyRule> rules;
  const auto add = [&rules](std::span<const Check> checks) {
    for (const Check& check : checks) rules.push_back({check.attribute.data(), check.rule.data()});
  };
  add(kEveryKey);
  if (origin == KeyOrigin::kMadeInToken) add(kMadeInside);
  add(ChecksFor(purpose));
  return rules;
}

std::string_view DriftedAttribute(const KeyDescription& first, const KeyDescription& now) {
  if (now.purpose != first.purpose) return "CKA_CLASS";
  if (now.public_point != first.public_point) return "CKA_EC_POINT";
  const struct {
    std::string_view attribute;
    bool same;
  } checks[] = {
      {"CKA_ID", now.id == first.id},
      {"CKA_PRIVATE", now.hidden == first.hidden},
      {"CKA_SENSITIVE", now.sensitive == first.sensitive},
      {"CKA_ALWAYS_SENSITIVE", now.always_sensitive == first.always_sensitive},
      {"CKA_EXTRACTABLE", now.extractable == first.extractable},
      {"CKA_NEVER_EXTRACTABLE", now.never_extractable == first.never_extractable},
      {"CKA_LOCAL", now.local == first.local},
      {"CKA_SIGN", now.sign == first.sign},
      {"CKA_SIGN_RECOVER", now.sign_recover == first.sign_recover},
      {"CKA_VERIFY", now.verify == first.verify},
      {"CKA_DECRYPT", now.decrypt == first.decrypt},
      {"CKA_UNWRAP", now.unwrap == first.unwrap},
      {"CKA_DERIVE", now.derive == first.derive},
      {"CKA_ENCRYPT", now.encrypt == first.encrypt},
      {"CKA_WRAP", now.wrap == first.wrap},
  };
  for (const auto& check : checks) {
    if (!check.same) return check.attribute;
  }
  return "";
}

}  // namespace assay::hsm
