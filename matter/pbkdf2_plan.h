// How keys are dealt to the lanes of the PBKDF2 kernels. Internal to matter/.
#pragma once

#include <vector>

#include "matter/pbkdf2.h"
#include "matter/pbkdf2_lanes.h"

namespace assay::matter {

// A kernel for well filled lanes and one for the rest, and how many lanes make the first one worth
// it.
struct Pbkdf2Plan {
  IterateLanes wide = nullptr;
  int wide_width = 0;
  int wide_from = 0;
  IterateLanes narrow = nullptr;
  int narrow_width = 0;
};

// From how many lanes on the wide kernel is worth it, told by several measurements of what one of
// its passes costs, in lanes of the narrow kernel: their middle. One that a clock spoiled (zero,
// negative, not finite) does not count, so that no program computes by the slower kernel for as
// long as it lives; where none counts, half of the lanes. 3 to kAvx512Width.
int LanesWorthWide(std::vector<double> costs);

// Until no job waits and all are ended; each is ended once, on the calling thread. All intermediate
// state is wiped.
void RunPlan(const Pbkdf2Plan& plan, Pbkdf2Feed& feed);

}  // namespace assay::matter
