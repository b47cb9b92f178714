// Who stands by a ceremony.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/secret.h"
#include "ceremony/plan.h"
#include "ceremony/transcript.h"

namespace assay::ceremony {

// Each of the file's operators types the own name at the terminal, or stands in `named` with `yes`.
// SECOND_PERSON_REQUIRED where one does not, or where there is no terminal and no `yes`.
absl::StatusOr<std::vector<Confirmation>> AskOperators(const Plan& plan, bool yes,
                                                       const std::vector<std::string>& named,
                                                       const Clock& clock);

// Typed at the terminal without being shown; FIELD_REQUIRED where there is none.
absl::StatusOr<SecretBytes> AskPin(const std::string& token);

}  // namespace assay::ceremony
