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
  int streams = 0;         // asked over so many streams; 0: a call for each identity
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

// A connection for each stream, four for calls, and never more than are asked at a time. Throws
// std::runtime_error where one of the first questions, one on each, was refused.
Measured RunLine(const Settings& settings, const Load& load, const CpuWatch& watch);

}  // namespace assay::bench
