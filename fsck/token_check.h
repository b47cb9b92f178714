// The token against the database: keys by label, their points, and the lots' wrapped keys; and what
// rests sealed under those.
#pragma once

#include <map>
#include <memory>

#include "base/secret.h"
#include "fsck/facts.h"
#include "fsck/finding.h"
#include "fsck/snapshot.h"
#include "hsm/token.h"

namespace assay::fsck {

struct TokenKeys {
  std::string ledger = "assay-ledger", image = "assay-image", wrapping = "assay-wrapping";
};
// Unwrapped lot keys by lot id.
using LotKeys = std::map<int64_t, SecretBytes>;

// Sets facts.ledger_key where it is not given yet. Asks the token only, and changes nothing in it.
absl::Status CheckToken(hsm::Token& token, const TokenKeys& names, Facts& facts, LotKeys& keys,
                        Findings& findings);

struct SealedCounts {
  uint64_t opened = 0, images = 0, verifiers = 0;
};
// Opens sealed identities and codes: at most `most` of them, spread over all; 0 for all of them.
// Everything inside must be what the records say: certificate, codes, images by digest and
// signature, the certificate inside the image. `verifiers` of them have their passcode's SPAKE2+
// verifier computed again, which takes milliseconds each.
absl::Status CheckSealed(Session& session, const Facts& facts, const LotKeys& keys, uint64_t most,
                         uint64_t verifiers, Findings& findings, SealedCounts& counts);

}  // namespace assay::fsck
