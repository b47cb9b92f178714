// Steps 1, 3 and 4 for one ticket: what was asked held against the lot, the unit's own values, its
// key, its codes and the bytes the HSM is to sign.
#pragma once

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/random.h"
#include "matter/spake2p.h"
#include "server/issue/reserve.h"
#include "server/issue/work.h"

namespace assay::issue {

// Step 1, the form of the request alone: ticket, lot, sizes.
absl::Status CheckForm(const v1::IssueRequest& request);
absl::Status CheckTicketForm(const std::string& ticket);

// Step 1, the request against the lot's product: fields that may not be given, values out of their
// rules.
absl::Status CheckAgainstPlan(const v1::IssueRequest& request, const lot::LotPlan& plan,
                              bool production);

// Step 3: the unit's own values, drawn where the line gave none. What must be unique is held so by
// the store in step 5. `reserve`, which may be null, is asked for passcode, salt and verifier where
// all are to be drawn; what was taken is lost if the ticket is refused.
absl::Status Claim(Work& work, Random& random, const Clock& clock, bool production,
                   Reserve* reserve);

// Step 4 but for the verifier: codes, key (of `reserve`, which may be null), TBS. A refusal leaves
// nothing behind.
absl::Status Build(Work& work, Random& random, const Clock& clock, Reserve* reserve);

// Whether the unit needs a verifier made still, what is to be made, and the answer taken over:
// VERIFIER_MISMATCH where the line gave another one.
bool NeedsVerifier(const Work& work);
matter::VerifierJob VerifierJobOf(const Work& work);
absl::Status TakeVerifier(Work& work, matter::VerifierJob& job);

}  // namespace assay::issue
