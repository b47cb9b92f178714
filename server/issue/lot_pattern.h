// What all identities of a lot have in common: an identity like them, of a unit that does not
// exist.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "server/issue/prove.h"
#include "server/lot/plan.h"

namespace assay::issue {

// Made by what makes the lot's identities, from the lot's plan and from values that are the same
// for ever: it holds no secret of any unit, and two replicas make the same bytes. `delegated`:
// images are signed by delegates. Images that are encrypted are left out, and so are all where this
// unit's cannot be made. Takes about as long as an identity without its verifier.
absl::StatusOr<Bytes> LotPattern(std::shared_ptr<const lot::LotPlan> plan,
                                 const ImageKey& image_key, bool delegated);

}  // namespace assay::issue
