// Measures each PBKDF2 kernel against PKCS5_PBKDF2_HMAC and fails where one has lost its lead. A
// kernel built with the wrong flags still gives right answers, only up to 180 times slower, so
// nothing else would tell. Ratios only: they hold on a busy machine, since kernel and reference
// take turns and the best of each counts.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <vector>

#include "base/random.h"
#include "matter/pbkdf2.h"

namespace assay::matter {
namespace {

constexpr uint32_t kIterations = 2000;
constexpr int kRounds = 7;

struct Case {
  Pbkdf2Kernel kernel;
  size_t jobs;
  double least;  // ratio to OpenSSL that a sound build keeps on any CPU that runs the kernel
};
// Measured on a server-class Xeon: 2.5, 4.1 and 8.3.
constexpr Case kCases[] = {{Pbkdf2Kernel::kTransform, 5, 1.2},
                           {Pbkdf2Kernel::kShaNi, 1, 2.0},
                           {Pbkdf2Kernel::kShaNi, 5, 2.0},
                           {Pbkdf2Kernel::kAvx512, 5, 3.5},
                           {Pbkdf2Kernel::kAvx512, 16, 3.5}};

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Workload {
 public:
  explicit Workload(size_t jobs) : inputs_(jobs), keys_(jobs, Bytes(80)) {
    SystemRandom random;
    for (size_t i = 0; i < jobs; ++i) {
      inputs_[i] = random.Draw(36);
      jobs_.push_back(
          {ByteView(inputs_[i]).first(4), ByteView(inputs_[i]).subspan(4), kIterations, keys_[i]});
    }
  }
  // CPU seconds per key.
  double Run(Pbkdf2Kernel kernel) {
    const double start = CpuSeconds();
    DeriveKeysWith(kernel, jobs_);
    return (CpuSeconds() - start) / static_cast<double>(jobs_.size());
  }

 private:
  std::vector<Bytes> inputs_, keys_;
  std::vector<Pbkdf2Job> jobs_;
};

bool Holds(const Case& one) {
  if (!Runs(one.kernel)) {
    std::printf("%-10s x%-3zu SKIPPED: this CPU does not run it\n",
                std::string(Pbkdf2KernelName(one.kernel)).c_str(), one.jobs);
    return true;
  }
  Workload reference(1), workload(one.jobs);
  double reference_best = std::numeric_limits<double>::max(), best = reference_best;
  for (int round = 0; round < kRounds; ++round) {
    reference_best = std::min(reference_best, reference.Run(Pbkdf2Kernel::kOpenssl));
    best = std::min(best, workload.Run(one.kernel));
  }
  const double ratio = reference_best / best;
  const double compressions = 6.0 * kIterations / best / 1e6;
  std::printf("%-10s x%-3zu %7.1f us a key at %u, %6.1f M compressions/s, %5.2f of openssl%s\n",
              std::string(Pbkdf2KernelName(one.kernel)).c_str(), one.jobs, best * 1e6, kIterations,
              compressions, ratio, ratio < one.least ? "  TOO SLOW" : "");
  return ratio >= one.least;
}

}  // namespace
}  // namespace assay::matter

int main() {
  bool holds = true;
  for (const auto& one : assay::matter::kCases) holds = assay::matter::Holds(one) && holds;
  return holds ? 0 : 1;
}
