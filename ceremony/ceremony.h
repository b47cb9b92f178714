// Keys made inside a token from one reviewable file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "ceremony/plan.h"
#include "ceremony/transcript.h"
#include "hsm/token.h"

namespace assay::ceremony {

struct KeyView {
  enum class State {
    kToBeMade,
    kTakenUp,  // made by a run of this ceremony that did not end
    kKept,     // in the token before; sandboxes only
    kDone,     // stands in the ceremony's transcript
  };
  KeyPlan plan;
  State state = State::kToBeMade;
  std::optional<hsm::KeyDescription> key;  // where it is there
};

struct Outcome {
  bool done_before = false;  // nothing was left to do
  hsm::TokenDescription token;
  std::vector<KeyView> keys;
};

// What Run would do, changing nothing. HSM_KEY_UNFIT, naming label and attribute, for a key that is
// there and half made, there twice, or drifted from the file's policy; in production also for a key
// that was there before the ceremony. NOTE_UNTRUSTED or FIELDS_CONTRADICT for a transcript that was
// altered or is another ceremony's.
absl::StatusOr<Outcome> LookAhead(const Plan& plan, hsm::Token& token);

// Makes what is missing, reads every attribute back, writes requests, certificates and, last, the
// transcript. A run that was killed is taken up by the next; one that ended is only checked. No
// file and no key that is there is replaced. SECOND_PERSON_REQUIRED unless `operators` are the
// file's, each once.
absl::StatusOr<Outcome> Run(const Plan& plan, hsm::Token& token, Random& random, const Clock& clock,
                            const std::vector<Confirmation>& operators,
                            const std::string& software);

}  // namespace assay::ceremony
