#include "matter/pbkdf2.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "matter/pbkdf2_lanes.h"

namespace assay::matter {
namespace {

constexpr size_t kHashSize = 32;
constexpr size_t kHashBlock = 64;
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

// A kernel for well filled lanes and one for the rest, and how many lanes make the first one worth
// it.
struct Plan {
  IterateLanes wide = nullptr;
  int wide_width = 0;
  int wide_from = 0;
  IterateLanes narrow = nullptr;
  int narrow_width = 0;
};

Plan PlanOf(Pbkdf2Kernel kernel) {
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

// CPU seconds of one step over `count` lanes, at its best of a few short runs.
double StepCost(IterateLanes iterate, int count) {
  constexpr uint32_t kSteps = 64;
  std::array<Pbkdf2Lane, kAvx512Width> lanes{};
  std::array<Pbkdf2Lane*, kAvx512Width> pointers;
  for (size_t i = 0; i < lanes.size(); ++i) pointers[i] = &lanes[i];
  double best = std::numeric_limits<double>::max();
  for (int run = 0; run < 7; ++run) {
    timespec start{}, end{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    iterate(pointers.data(), count, kSteps);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    best = std::min(best, static_cast<double>(end.tv_sec - start.tv_sec) +
                              1e-9 * static_cast<double>(end.tv_nsec - start.tv_nsec));
  }
  return best / kSteps;
}

// From how many lanes on a pass of AVX-512, which costs the same however few are filled, is the
// cheaper way. Measured once, in about 0.3 ms, since CPUs differ: 8 and 12 lanes were seen on two
// Xeons.
int LanesWorthAvx512() {
  static const int lanes = [] {
    const Plan wide = PlanOf(Pbkdf2Kernel::kAvx512), narrow = PlanOf(NarrowKernel());
    const double a_lane = StepCost(narrow.narrow, narrow.narrow_width) / narrow.narrow_width;
    const double ratio = StepCost(wide.wide, wide.wide_width) / a_lane;
    return static_cast<int>(std::clamp(ratio + 0.5, 3.0, double{kAvx512Width}));
  }();
  return lanes;
}

Plan BestPlan() {
  Plan plan = PlanOf(NarrowKernel());
  if (Runs(Pbkdf2Kernel::kAvx512)) {
    const Plan wide = PlanOf(Pbkdf2Kernel::kAvx512);
    plan.wide = wide.wide;
    plan.wide_width = wide.wide_width;
    plan.wide_from = LanesWorthAvx512();
  }
  return plan;
}

void KeepState(uint32_t* out, const SHA256_CTX& context) {
  for (int i = 0; i < 8; ++i) out[i] = context.h[i];
}

// HMAC's two hash states after the padded key: they are the same for all blocks of a job.
struct Pads {
  SHA256_CTX inner;
  SHA256_CTX outer;
};

void MakePads(ByteView password, Pads& pads) {
  std::array<uint8_t, kHashBlock> key{};
  if (password.size() > kHashBlock) {
    SHA256(password.data(), password.size(), key.data());
  } else if (!password.empty()) {
    std::memcpy(key.data(), password.data(), password.size());
  }
  for (uint8_t& byte : key) byte ^= 0x36;
  SHA256_Init(&pads.inner);
  SHA256_Update(&pads.inner, key.data(), key.size());
  for (uint8_t& byte : key) byte ^= 0x36 ^ 0x5C;
  SHA256_Init(&pads.outer);
  SHA256_Update(&pads.outer, key.data(), key.size());
  OPENSSL_cleanse(key.data(), key.size());
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

// Blocks of all jobs in order, dealt to lanes as lanes come free.
class Lanes {
 public:
  Lanes(const Plan& plan, Pbkdf2Feed& feed) : plan_(plan), feed_(feed) {}
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes() {
    OPENSSL_cleanse(slots_.data(), sizeof slots_);
    OPENSSL_cleanse(&pads_, sizeof pads_);
  }

  void Run() {
    const int width = std::max(plan_.wide_width, plan_.narrow_width);
    for (;;) {
      while (active_ < width && DealBlock(slots_[active_])) ++active_;
      if (active_ == 0) return;
      Iterate();
      Retire();
    }
  }

 private:
  // A job not all of whose blocks are done.
  struct Open {
    const Pbkdf2Job* job = nullptr;
    size_t blocks = 0;  // still to be done
  };
  struct Slot {
    Pbkdf2Lane lane;
    uint32_t left;  // iterations still to do
    std::span<uint8_t> out;
    Open* of;
  };

  // The job whose next block is to be dealt; false when none waits.
  bool TakeJob() {
    while (dealt_ == nullptr || offset_ >= dealt_->job->key.size()) {
      dealt_ = nullptr;
      const Pbkdf2Job* next = feed_.Next();
      if (next == nullptr) return false;
      if (next->key.empty()) {
        feed_.Ended(*next);
        continue;
      }
      dealt_ = &*std::find_if(open_.begin(), open_.end(),
                              [](const Open& open) { return open.job == nullptr; });
      *dealt_ = {next, (next->key.size() + kHashSize - 1) / kHashSize};
      offset_ = 0;
      MakePads(next->password, pads_);
    }
    return true;
  }

  // The next block's U1 into `slot`; false when none is left.
  bool DealBlock(Slot& slot) {
    if (!TakeJob()) return false;
    const Pbkdf2Job& job = *dealt_->job;
    const uint32_t index = static_cast<uint32_t>(offset_ / kHashSize) + 1;
    const uint8_t big_endian[4] = {static_cast<uint8_t>(index >> 24),
                                   static_cast<uint8_t>(index >> 16),
                                   static_cast<uint8_t>(index >> 8), static_cast<uint8_t>(index)};
    std::array<uint8_t, kHashSize> digest;
    SHA256_CTX context = pads_.inner;
    SHA256_Update(&context, job.salt.data(), job.salt.size());
    SHA256_Update(&context, big_endian, sizeof big_endian);
    SHA256_Final(digest.data(), &context);
    context = pads_.outer;
    SHA256_Update(&context, digest.data(), digest.size());
    SHA256_Final(digest.data(), &context);
    KeepState(slot.lane.u, context);
    KeepState(slot.lane.t, context);
    KeepState(slot.lane.inner, pads_.inner);
    KeepState(slot.lane.outer, pads_.outer);
    slot.left = std::max<uint32_t>(job.iterations, 1) - 1;
    slot.out = job.key.subspan(offset_, std::min(kHashSize, job.key.size() - offset_));
    slot.of = dealt_;
    offset_ += kHashSize;
    OPENSSL_cleanse(&context, sizeof context);
    OPENSSL_cleanse(digest.data(), digest.size());
    return true;
  }

  // As many steps as the lane nearest its end has left, so that no lane ever runs too far; fewer
  // where that is long, so that a job that comes meanwhile finds the free lanes.
  void Iterate() {
    uint32_t steps = kPbkdf2StepsAtOnce;
    std::array<Pbkdf2Lane*, kAvx512Width> lanes;
    for (int i = 0; i < active_; ++i) {
      lanes[i] = &slots_[i].lane;
      steps = std::min(steps, slots_[i].left);
    }
    if (steps == 0) return;
    if (plan_.wide_from > 0 && active_ >= plan_.wide_from) {
      plan_.wide(lanes.data(), active_, steps);
    } else {
      // Evenly parted: two and two hide more latency than three and one.
      const int parts = (active_ + plan_.narrow_width - 1) / plan_.narrow_width;
      for (int part = 0, at = 0; part < parts; ++part) {
        const int count = (active_ - at + parts - part - 1) / (parts - part);
        plan_.narrow(lanes.data() + at, count, steps);
        at += count;
      }
    }
    for (int i = 0; i < active_; ++i) slots_[i].left -= steps;
  }

  void Retire() {
    int kept = 0;
    for (int i = 0; i < active_; ++i) {
      Slot& slot = slots_[i];
      if (slot.left > 0) {
        if (kept != i) slots_[kept] = slot;
        ++kept;
        continue;
      }
      for (size_t byte = 0; byte < slot.out.size(); ++byte) {
        slot.out[byte] = static_cast<uint8_t>(slot.lane.t[byte / 4] >> (24 - 8 * (byte % 4)));
      }
      EndBlock(*slot.of);
    }
    OPENSSL_cleanse(&slots_[kept], sizeof(Slot) * (active_ - kept));
    active_ = kept;
  }

  void EndBlock(Open& open) {
    if (--open.blocks > 0) return;
    const Pbkdf2Job* const ended = open.job;
    open.job = nullptr;
    if (dealt_ == &open) dealt_ = nullptr;
    feed_.Ended(*ended);
  }

  const Plan plan_;
  Pbkdf2Feed& feed_;
  // Each lane may hold another job's block, and one job may have no block in a lane yet.
  std::array<Open, kAvx512Width + 1> open_;
  Open* dealt_ = nullptr;
  size_t offset_ = 0;
  Pads pads_;
  std::array<Slot, kAvx512Width> slots_;
  int active_ = 0;
};

// The kernels keep states in registers and spill some of them to the stack below their caller.
__attribute__((noinline)) void WipeStackBelow() {
  std::array<uint8_t, 8192> room;
  OPENSSL_cleanse(room.data(), room.size());
}

void RunPlan(const Plan& plan, Pbkdf2Feed& feed) {
  { Lanes(plan, feed).Run(); }
  WipeStackBelow();
}

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

void DeriveKeys(Pbkdf2Feed& feed) {
  if (const std::optional<Pbkdf2Kernel> forced = ForcedKernel()) {
    DeriveKeysWith(*forced, feed);
    return;
  }
  static const Plan plan = BestPlan();
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
