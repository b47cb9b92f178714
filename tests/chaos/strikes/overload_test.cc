// Three times as much is asked as can be given, through the whole service with real keys. What can
// be given is bounded by an HSM that takes its time, as one in a network does: the callers share
// the service's cores, and what they take from it is not asked here.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"
#include "tests/chaos/strikes/stormy_load.h"
#include "tests/support/fault_list.h"

namespace assay::chaos {
namespace {

using std::chrono::milliseconds;
using test_support::FaultList;

constexpr milliseconds kPatience{2000};
constexpr char kHsm[] = "C_Sign always delay 20";  // ms; an identity takes two
constexpr char kSignerThreads[] = "\n  signer_threads: 4";

// With ASSAY_CHAOS_ITERATIONS the processor is what bounds the service, and the HSM is quick
// (docs/performance.md has figures).
std::optional<uint32_t> IterationsAsked() {
  const char* text = std::getenv("ASSAY_CHAOS_ITERATIONS");
  if (text == nullptr) return std::nullopt;
  return static_cast<uint32_t>(std::atoi(text));
}

SiteOptions Bounded() {
  SiteOptions options;
  if (const auto iterations = IterationsAsked()) {
    options.iterations = *iterations;
  } else {
    options.module = FaultList::ModulePath(ASSAY_BINARY_DIR) + kSignerThreads;
  }
  return options;
}

double Median(const std::vector<double>& sorted) {
  return sorted.empty() ? 0 : sorted[sorted.size() / 2];
}
double P99(const std::vector<double>& sorted) {
  return sorted.empty() ? 0 : sorted[sorted.size() * 99 / 100];
}

void Tell(const char* what, const Storm& storm) {
  std::printf(
      "%-12s asked %7.0f/s  given in time %6.0f/s  late %llu  refused as overloaded %llu (median "
      "%.2f ms, p99 %.2f ms)  expired %llu  other %llu\n",
      what, static_cast<double>(storm.asked) / storm.seconds, storm.Rate(),
      static_cast<unsigned long long>(storm.late),
      static_cast<unsigned long long>(storm.overloaded), Median(storm.refusal_ms),
      P99(storm.refusal_ms), static_cast<unsigned long long>(storm.expired),
      static_cast<unsigned long long>(storm.other));
}

int Number(const Site& site, const std::string& sql) { return std::atoi(site.Sql(sql).c_str()); }

TEST(Overload, ThreeTimesTheLoadLeavesTheGoodputAndRefusesTheRestAtOnceWithAHint) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "overload-hsm";
  std::filesystem::create_directories(folder);
  FaultList hsm(folder);
  Site site(Bounded());
  hsm.Use(kHsm);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 4; ++i) channels.push_back(site.Channel());
  StormyLoad load(channels, kLot, kPatience);
  (void)load.Closed(64, milliseconds(1000));
  const milliseconds length = milliseconds(6000) * Rounds();
  double peak = 0, goodput = 0;
  std::vector<double> answers, refusals;
  // Peak and storm in turn, for what else the machine does changes both. More turns where the
  // first ones do not settle it.
  for (int turn = 0; turn < 6 && (turn < 2 || goodput < 0.9 * peak); ++turn) {
    const Storm calm = load.Closed(64, length);
    const Storm storm = load.Open(3 * calm.Rate(), length);
    Tell("peak", calm);
    Tell("3x overload", storm);
    site.CountFault();
    peak += calm.Rate();
    goodput += storm.Rate();
    answers.push_back(Median(storm.answer_ms));
    refusals.push_back(Median(storm.refusal_ms));
    EXPECT_GT(storm.overloaded, 0u);
    EXPECT_EQ(storm.unhinted, 0u) << "a refusal without a retry hint";
    EXPECT_EQ(storm.other, 0u);
    EXPECT_LT(Median(storm.refusal_ms) * 5, Median(storm.answer_ms))
        << "refusals come long before answers";
  }
  std::printf("goodput at three times the load: %.0f %% of the peak\n", 100 * goodput / peak);
  EXPECT_GE(goodput, 0.9 * peak);
  // The ticket's name ends with its deadline: nothing was begun for one that had passed.
  const std::string deadline =
      "'epoch'::timestamptz + substring(a.ticket FROM '[0-9]+$')::bigint * interval '1 us'";
  const int begun = Number(site, "SELECT count(*) FROM attempts");
  const int too_late =
      Number(site, absl::StrCat("SELECT count(*) FROM attempts a WHERE a.ticket LIKE 'storm-%' AND "
                                "a.intended_at > ",
                                deadline));
  const int sealed_late = Number(
      site, absl::StrCat("SELECT count(*) FROM devices d JOIN attempts a ON a.id = d.attempt_id "
                         "WHERE a.ticket LIKE 'storm-%' AND d.sealed_at > ",
                         deadline));
  std::printf("of %d attempts %d were begun after their deadline, %d sealed after it\n", begun,
              too_late, sealed_late);
  EXPECT_EQ(too_late, 0) << "work for an expired deadline";
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  site.Judge("Overload", {&shift});
}

}  // namespace
}  // namespace assay::chaos
