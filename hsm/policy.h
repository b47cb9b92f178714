// The written policy for keys in the token: what each purpose demands of the attributes.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "hsm/token.h"

namespace assay::hsm {

// Where a key may come from. Production knows only keys made inside the token; a sandbox may bring
// one in.
enum class KeyOrigin { kMadeInToken, kImportAllowed };

struct PolicyRule {
  std::string_view attribute;  // the Cryptoki name, e.g. CKA_EXTRACTABLE
  std::string_view rule;       // in words, for transcripts
};

// OK, or HSM_KEY_UNFIT whose field is the attribute that drifted and whose rule says what it must
// be:
//   all keys:   CKA_LABEL not empty, CKA_PRIVATE and CKA_SENSITIVE true, CKA_EXTRACTABLE,
//               CKA_DERIVE, CKA_UNWRAP and CKA_WRAP false;
//   made in the token: CKA_LOCAL, CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE true;
//   signing:    P-256 with its public point, CKA_SIGN true, CKA_SIGN_RECOVER, CKA_DECRYPT and
//               CKA_ENCRYPT false;
//   wrapping:   AES-256, CKA_ENCRYPT and CKA_DECRYPT true, CKA_SIGN and CKA_VERIFY false;
//   where the token tells it: CKA_MODIFIABLE false.
// What a token does not tell of where a key lives and came from is taken for the worst, and
// refused; a use it does not tell of is taken for off (KeyDescription::untold).
absl::Status CheckKeyPolicy(const KeyDescription& key, KeyOrigin origin = KeyOrigin::kMadeInToken);

// OK, or HSM_KEY_UNFIT when `key` does not serve `purpose`.
absl::Status CheckKeyPurpose(const KeyDescription& key, KeyPurpose purpose);

// The same rules in words, for a ceremony's transcript.
std::vector<PolicyRule> PolicyInWords(KeyPurpose purpose, KeyOrigin origin);

// The first attribute in which a key differs from what it was when first met ("CKA_EXTRACTABLE",
// "CKA_EC_POINT"); empty where none does. Keys do not change: one that did is another, or drifted.
std::string_view DriftedAttribute(const KeyDescription& first, const KeyDescription& now);

}  // namespace assay::hsm
