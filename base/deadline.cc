#include "base/deadline.h"

#include <algorithm>

namespace assay {

std::chrono::milliseconds Deadline::Left() const {
  using std::chrono::milliseconds;
  if (at_ == Steady::time_point::max()) return std::chrono::hours(24);
  const auto left = std::chrono::duration_cast<milliseconds>(at_ - Steady::now());
  return std::max(left, milliseconds(0));
}

}  // namespace assay
