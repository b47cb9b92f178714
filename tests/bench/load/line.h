// Lines that ask for identities, and what came of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/load/cpu.h"
#include "tests/bench/load/mode.h"
#include "tests/bench/load/service.h"

namespace assay::bench {

struct Load {
  std::string lot;
  Mode mode = Mode::kServerKey;
  int iterations = 10000;  // the lot's
  int in_flight = 64;      // so many are kept under way, where no rate is given
  double rate = 0;         // so many a second come, whether the former ones are answered or not
  bool evenly = false;     // at that rate: at even distances, rather than when chance brings them
  double seconds = 3;
};

// Over `seconds` after a warm-up. A call counts when it ended in them; where a rate is given, when
// it was due in them, and it took from when it was due to its answer.
struct Measured {
  double seconds = 0;
  std::vector<double> took_ms;  // of the identities given, ascending
  int64_t refused = 0;
  std::string first_refusal;
  CpuReading spent;
};

// Throws std::runtime_error where not even the first call was answered.
Measured RunLine(const Channels& channels, const Load& load, const CpuWatch& watch);

}  // namespace assay::bench
