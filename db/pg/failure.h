// From what libpqxx throws to what the store refuses: the one table of SQLSTATEs.
#pragma once

#include <exception>

#include "absl/status/status.h"

namespace assay::pg {

enum class Remedy {
  kNone,
  kReconnect,  // nothing happened; another connection may do
  kRepeat,     // the server rolled it back; the same again may do
};

struct Failure {
  absl::Status status;
  Remedy remedy = Remedy::kNone;
};

// `committing`: the failure came while COMMIT was under way. `alive`: the connection still is.
Failure Classify(const std::exception& thrown, bool committing, bool alive);

}  // namespace assay::pg
