// Steps 7 and 8: what the HSM signed checked as a commissioner would, for several tickets at once;
// each one's images built and read back, their signatures checked, and the record that is sealed.
#pragma once

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/random.h"
#include "image/cms.h"
#include "matter/ecdsa.h"
#include "server/issue/lot_dictionaries.h"
#include "server/issue/work.h"

namespace assay::issue {

// Step 7, first part, for several tickets: each DAC from its linted bytes and the HSM's signature,
// which is checked. HSM_BAD_SIGNATURE in its place: nothing of that ticket leaves.
std::vector<absl::Status> ProveDacs(const std::vector<WorkPtr>& batch);

// Second part: the images from it, read back by our own reader and compared; the codes decoded
// again. VERIFY_FAILED: nothing leaves.
absl::Status ProveImages(Work& work, Random& random);

// What images are checked against, and wrapped with, where the token's image key signs them.
struct ImageKey {
  matter::SignatureVerifier verifier;
  image::DetachedCmsTemplate cms;
};

// Step 7, last part, for several tickets: each image's signature under the image key, or under the
// delegate that signed them, wrapped as detached CMS.
std::vector<absl::Status> ProveImageSignatures(const std::vector<WorkPtr>& batch,
                                               const ImageKey& image_key);

// The images, each with its signature as this CMS, into what is sealed.
absl::Status WrapSignatures(Work& work, const image::DetachedCmsTemplate& cms);
// What the unit has beside its images.
void FillIdentity(const Work& work, absl::Time at, v1::Identity& identity);

// The canonical JSON of an issue, as the ledger keeps it: keys sorted, no blanks, the same as
// nlohmann::json would write.
std::string LedgerEntry(const Work& work, const db::ManifestRow& row, absl::Time at);

// Step 8: the identity as it will be answered for ever, in the compact form where the work has a
// dictionary, its manifest row and its ledger entry.
db::Seal MakeSeal(Work& work, Random& random, const Clock& clock);

// A sealed identity of the lot out of the store, opened, whichever its form.
absl::StatusOr<store::v1::SealedIdentity> OpenSealed(const db::TicketView& view, int64_t lot_id,
                                                     const SecretBytes& lot_key,
                                                     LotDictionaries& dictionaries);

// The answer for a caller: images that are key material only where the role allows; erased flash
// filled in, unless the caller's program does that.
v1::IssueResponse Answer(store::v1::SealedIdentity sealed, const access::Caller& caller,
                         bool sealed_before);

}  // namespace assay::issue
