// How long a caller is willing to wait.
#pragma once

#include <chrono>

#include "absl/status/statusor.h"
#include "base/deadline.h"

namespace assay::rpc {

struct DeadlineLimits {
  std::chrono::milliseconds usual{30'000};  // for callers that gave none
  std::chrono::milliseconds least{20};      // less time left than this cannot end in an identity
};

// `given` is what gRPC says of the call (max() for none), `now` the same clock. DEADLINE_TOO_SHORT
// where too little is left.
absl::StatusOr<Deadline> CallDeadline(std::chrono::system_clock::time_point given,
                                      std::chrono::system_clock::time_point now,
                                      const DeadlineLimits& limits);

}  // namespace assay::rpc
