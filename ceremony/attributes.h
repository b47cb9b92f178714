// A key's attributes by their Cryptoki names: what a ceremony's file demands of them, and what a
// transcript tells.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "hsm/token.h"

namespace assay::ceremony {

// "CKA_SENSITIVE" and so on; nothing where the token does not tell it.
struct Attribute {
  std::string_view name;
  std::optional<bool> value;
};

// All that are told of a key of this purpose, in the order of the policy.
std::vector<Attribute> AttributesOf(const hsm::KeyDescription& key);

// What the file demands: an attribute's name and its value.
using WrittenPolicy = std::map<std::string, bool, std::less<>>;

// The values hsm/policy.h demands of keys made in the token.
WrittenPolicy HousePolicy(hsm::KeyPurpose purpose);

// HSM_KEY_UNFIT naming the first attribute that differs from `policy` or from the house's own rules
// (hsm::CheckKeyPolicy, made in the token). What the token does not tell is judged
// as hsm/policy.h says.
absl::Status CheckAgainst(const WrittenPolicy& policy, const hsm::KeyDescription& key);

}  // namespace assay::ceremony
