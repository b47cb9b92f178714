// What is left of the pipeline's throughput when three times as much is asked of it, and how soon
// the rest is refused. In memory, with a token in software; four lines, each answer wanted within
// half a second.
//   assay_overload_bench [seconds a phase, default 5]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

using Steady = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kPatience{500};
constexpr int kLines = 4, kClosedLoop = 128;

struct Tally {
  std::atomic<uint64_t> asked{0}, given{0}, late{0}, overloaded{0}, expired{0}, other{0};
  std::atomic<int> open{0};
  std::mutex mutex;
  std::vector<double> refusals;  // milliseconds
};

class Generator {
 public:
  Generator(Workshop& shop, Tally& tally) : shop_(shop), tally_(tally) {
    for (int i = 0; i < kLines; ++i) {
      access::Caller caller = shop.line_caller;
      caller.line = absl::StrCat("line-", i);
      callers_.push_back(caller);
    }
  }
  void Ask(Milliseconds patience) {
    const uint64_t number = ++tally_.asked;
    ++tally_.open;
    const auto begun = Steady::now();
    shop_.Start().Submit(callers_[number % kLines],
                         Workshop::Request("lot", absl::StrCat("t", run_, "-", number)),
                         Deadline::In(patience), [this, begun, patience](Outcome outcome) {
                           Count(outcome.status(), Steady::now() - begun, patience);
                         });
  }
  void SetRun(int run) { run_ = run; }

 private:
  void Count(const absl::Status& status, Steady::duration took, Milliseconds patience) {
    if (status.ok()) {
      ++(took <= patience ? tally_.given : tally_.late);
    } else if (HasReason(status, Reason::OVERLOADED)) {
      ++tally_.overloaded;
      const std::lock_guard lock(tally_.mutex);
      tally_.refusals.push_back(std::chrono::duration<double, std::milli>(took).count());
    } else if (HasReason(status, Reason::DEADLINE_TOO_SHORT)) {
      ++tally_.expired;
    } else {
      if (++tally_.other == 1) std::printf("other: %s\n", std::string(status.message()).c_str());
    }
    --tally_.open;
  }

  Workshop& shop_;
  Tally& tally_;
  std::vector<access::Caller> callers_;
  int run_ = 0;
};

double Peak(Workshop& shop, std::chrono::seconds length) {
  Tally tally;
  Generator generator(shop, tally);
  const auto end = Steady::now() + length;
  const auto begun = Steady::now();
  while (Steady::now() < end) {
    while (tally.open < kClosedLoop) generator.Ask(std::chrono::minutes(1));
    std::this_thread::sleep_for(Milliseconds(1));
  }
  const double given = static_cast<double>(tally.given);
  const double took = std::chrono::duration<double>(Steady::now() - begun).count();
  while (tally.open > 0) std::this_thread::sleep_for(Milliseconds(1));
  return given / took;
}

void Overload(Workshop& shop, double peak, std::chrono::seconds length) {
  Tally tally;
  Generator generator(shop, tally);
  generator.SetRun(2);
  const auto begun = Steady::now();
  double passed = 0;
  while (passed < static_cast<double>(length.count())) {
    passed = std::chrono::duration<double>(Steady::now() - begun).count();
    while (static_cast<double>(tally.asked) < 3 * peak * passed) generator.Ask(kPatience);
    std::this_thread::sleep_for(Milliseconds(1));
  }
  while (tally.open > 0) std::this_thread::sleep_for(Milliseconds(1));
  const double goodput = static_cast<double>(tally.given) / passed;
  std::sort(tally.refusals.begin(), tally.refusals.end());
  const size_t count = tally.refusals.size();
  std::printf(
      "3x overload: asked %.0f/s, given in time %.0f/s = %.0f %% of peak; late %llu, refused as "
      "overloaded %llu, expired %llu, other %llu\n",
      static_cast<double>(tally.asked) / passed, goodput, 100 * goodput / peak,
      static_cast<unsigned long long>(tally.late),
      static_cast<unsigned long long>(tally.overloaded),
      static_cast<unsigned long long>(tally.expired), static_cast<unsigned long long>(tally.other));
  if (count > 0) {
    std::printf("refusals: median %.3f ms, p99 %.3f ms, longest %.3f ms\n",
                tally.refusals[count / 2], tally.refusals[count * 99 / 100], tally.refusals.back());
  }
}

void Run(std::chrono::seconds length) {
  Workshop shop;
  const auto lot = shop.Open("lot", shop.Light(), 10'000'000);
  if (!lot.ok()) {
    std::fprintf(stderr, "%s\n", std::string(lot.status().message()).c_str());
    std::exit(1);
  }
  const double peak = Peak(shop, length);
  std::printf("peak: %.0f identities/s\n", peak);
  Overload(shop, peak, length);
}

}  // namespace
}  // namespace assay::issue

int main(int argc, char** argv) {
  assay::issue::Run(std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 5));
  return 0;
}
