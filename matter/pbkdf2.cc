#include "matter/pbkdf2.h"

#include <openssl/evp.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "matter/pbkdf2_plan.h"

namespace assay::matter {
namespace {

constexpr size_t kBlocksOfVerifier = 3;

struct KernelRow {
  Pbkdf2Kernel kernel;
  std::string_view name;
};
constexpr KernelRow kKernels[] = {{Pbkdf2Kernel::kOpenssl, "openssl"},
                                  {Pbkdf2Kernel::kTransform, "transform"},
                                  {Pbkdf2Kernel::kShaNi, "sha_ni"},
                                  {Pbkdf2Kernel::kAvx512, "avx512"}};

bool CpuHasShaNi() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0 &&
         __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
#else
  return false;
#endif
}

bool CpuHasAvx512() {
#if defined(__x86_64__)
  // The compiler's run-time asks the operating system too whether it saves the wide registers.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

Pbkdf2Plan PlanOf(Pbkdf2Kernel kernel) {
#if defined(__x86_64__)
  if (kernel == Pbkdf2Kernel::kAvx512) {
    return {IterateLanesAvx512, kAvx512Width, 1, IterateLanesAvx512, kAvx512Width};
  }
  if (kernel == Pbkdf2Kernel::kShaNi) {
    return {IterateLanesShaNi, kShaNiWidth, 1, IterateLanesShaNi, kShaNiWidth};
  }
#else
  static_cast<void>(kernel);
#endif
  return {IterateLanesTransform, 1, 1, IterateLanesTransform, 1};
}

std::optional<Pbkdf2Kernel> ForcedKernel() {
  static const std::optional<Pbkdf2Kernel> forced = []() -> std::optional<Pbkdf2Kernel> {
    const char* name = std::getenv("ASSAY_PBKDF2_KERNEL");
    const std::optional<Pbkdf2Kernel> kernel = Pbkdf2KernelOf(name == nullptr ? "" : name);
    return kernel && Runs(*kernel) ? kernel : std::nullopt;
  }();
  return forced;
}

Pbkdf2Kernel NarrowKernel() {
  return Runs(Pbkdf2Kernel::kShaNi) ? Pbkdf2Kernel::kShaNi : Pbkdf2Kernel::kTransform;
}

// CPU seconds of one step over `count` lanes.
double StepCost(IterateLanes iterate, int count) {
  constexpr uint32_t kSteps = 64;
  std::array<Pbkdf2Lane, kAvx512Width> lanes{};
  std::array<Pbkdf2Lane*, kAvx512Width> pointers;
  for (size_t i = 0; i < lanes.size(); ++i) pointers[i] = &lanes[i];
  timespec start{}, end{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  iterate(pointers.data(), count, kSteps);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  return (static_cast<double>(end.tv_sec - start.tv_sec) +
          1e-9 * static_cast<double>(end.tv_nsec - start.tv_nsec)) /
         kSteps;
}

// From how many lanes on a pass of AVX-512, which costs the same however few are filled, is the
// cheaper way. Measured once, in about half a millisecond, since CPUs differ: 8 and 12 lanes were
// seen on two Xeons.
int LanesWorthAvx512() {
  static const int lanes = [] {
    // The first passes may find the wide registers asleep.
    constexpr int kPasses = 13, kWarmPasses = 4;
    const Pbkdf2Plan wide = PlanOf(Pbkdf2Kernel::kAvx512), narrow = PlanOf(NarrowKernel());
    std::vector<double> costs;
    for (int pass = 0; pass < kPasses; ++pass) {
      const double a_lane = StepCost(narrow.narrow, narrow.narrow_width) / narrow.narrow_width;
      const double cost = StepCost(wide.wide, wide.wide_width) / a_lane;
      if (pass >= kWarmPasses) costs.push_back(cost);
    }
    return LanesWorthWide(std::move(costs));
  }();
  return lanes;
}

Pbkdf2Plan BestPlan() {
  Pbkdf2Plan plan = PlanOf(NarrowKernel());
  if (Runs(Pbkdf2Kernel::kAvx512)) {
    const Pbkdf2Plan wide = PlanOf(Pbkdf2Kernel::kAvx512);
    plan.wide = wide.wide;
    plan.wide_width = wide.wide_width;
    plan.wide_from = LanesWorthAvx512();
  }
  return plan;
}

// Jobs that are all there from the beginning.
class SpanFeed final : public Pbkdf2Feed {
 public:
  explicit SpanFeed(std::span<const Pbkdf2Job> jobs) : jobs_(jobs) {}
  const Pbkdf2Job* Next() override { return next_ < jobs_.size() ? &jobs_[next_++] : nullptr; }
  void Ended(const Pbkdf2Job&) override {}

 private:
  const std::span<const Pbkdf2Job> jobs_;
  size_t next_ = 0;
};

void DeriveByOpenssl(Pbkdf2Feed& feed) {
  while (const Pbkdf2Job* next = feed.Next()) {
    const Pbkdf2Job& job = *next;
    if (job.key.empty()) {
      feed.Ended(job);
      continue;
    }
    const int made = PKCS5_PBKDF2_HMAC(
        reinterpret_cast<const char*>(job.password.data()), static_cast<int>(job.password.size()),
        job.salt.data(), static_cast<int>(job.salt.size()),
        static_cast<int>(std::max<uint32_t>(job.iterations, 1)), EVP_sha256(),
        static_cast<int>(job.key.size()), job.key.data());
    // Only a lack of memory can end here, and a half-made key must not leave.
    if (made != 1) std::abort();
    feed.Ended(job);
    feed.StepEnded();
  }
}

}  // namespace

std::string_view Pbkdf2KernelName(Pbkdf2Kernel kernel) {
  for (const KernelRow& row : kKernels) {
    if (row.kernel == kernel) return row.name;
  }
  return "";
}

std::optional<Pbkdf2Kernel> Pbkdf2KernelOf(std::string_view name) {
  for (const KernelRow& row : kKernels) {
    if (row.name == name) return row.kernel;
  }
  return std::nullopt;
}

bool Runs(Pbkdf2Kernel kernel) {
  static const bool has_sha_ni = CpuHasShaNi();
  static const bool has_avx512 = CpuHasAvx512();
  switch (kernel) {
    case Pbkdf2Kernel::kOpenssl:
    case Pbkdf2Kernel::kTransform:
      return true;
    case Pbkdf2Kernel::kShaNi:
      return has_sha_ni;
    case Pbkdf2Kernel::kAvx512:
      return has_avx512;
  }
  return false;
}

std::vector<Pbkdf2Kernel> RunnablePbkdf2Kernels() {
  std::vector<Pbkdf2Kernel> kernels;
  for (const KernelRow& row : kKernels) {
    if (Runs(row.kernel)) kernels.push_back(row.kernel);
  }
  return kernels;
}

Pbkdf2Kernel ChoosePbkdf2Kernel(size_t jobs) {
  if (const std::optional<Pbkdf2Kernel> forced = ForcedKernel()) return *forced;
  const bool is_wide = Runs(Pbkdf2Kernel::kAvx512) &&
                       jobs * kBlocksOfVerifier >= static_cast<size_t>(LanesWorthAvx512());
  return is_wide ? Pbkdf2Kernel::kAvx512 : NarrowKernel();
}

std::string Pbkdf2Choice() {
  if (const std::optional<Pbkdf2Kernel> forced = ForcedKernel()) {
    return std::string(Pbkdf2KernelName(*forced)) + ", as told";
  }
  const std::string narrow(Pbkdf2KernelName(NarrowKernel()));
  if (!Runs(Pbkdf2Kernel::kAvx512)) return narrow;
  return "avx512 from " + std::to_string(LanesWorthAvx512()) + " lanes on, " + narrow + " below";
}

void DeriveKeys(Pbkdf2Feed& feed) {
  if (const std::optional<Pbkdf2Kernel> forced = ForcedKernel()) {
    DeriveKeysWith(*forced, feed);
    return;
  }
  static const Pbkdf2Plan plan = BestPlan();
  RunPlan(plan, feed);
}

void DeriveKeys(std::span<const Pbkdf2Job> jobs) {
  SpanFeed feed(jobs);
  DeriveKeys(feed);
}

void DeriveKeysWith(Pbkdf2Kernel kernel, Pbkdf2Feed& feed) {
  if (kernel == Pbkdf2Kernel::kOpenssl) {
    DeriveByOpenssl(feed);
  } else {
    RunPlan(PlanOf(kernel), feed);
  }
}

void DeriveKeysWith(Pbkdf2Kernel kernel, std::span<const Pbkdf2Job> jobs) {
  SpanFeed feed(jobs);
  DeriveKeysWith(kernel, feed);
}

}  // namespace assay::matter
