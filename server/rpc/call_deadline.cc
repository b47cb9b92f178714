#include "server/rpc/call_deadline.h"

#include <string>

#include "base/refusal.h"

namespace assay::rpc {

absl::StatusOr<Deadline> CallDeadline(std::chrono::system_clock::time_point given,
                                      std::chrono::system_clock::time_point now,
                                      const DeadlineLimits& limits) {
  if (given == std::chrono::system_clock::time_point::max() ||
      given - now > std::chrono::hours(24)) {
    return Deadline::In(limits.usual);
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(given - now);
  if (left < limits.least) {
    return RefuseField(Reason::DEADLINE_TOO_SHORT, "grpc-timeout",
                       std::to_string(left.count()) + " ms",
                       "at least " + std::to_string(limits.least.count()) + " ms must be left");
  }
  return Deadline::In(left);
}

}  // namespace assay::rpc
