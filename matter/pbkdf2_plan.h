// How keys are dealt to the lanes of the PBKDF2 kernels. Internal to matter/.
#pragma once

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

// Until no job waits and all are ended; each is ended once, on the calling thread. All intermediate
// state is wiped.
void RunPlan(const Pbkdf2Plan& plan, Pbkdf2Feed& feed);

}  // namespace assay::matter
