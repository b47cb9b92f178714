// The clock under assayd steps, while PostgreSQL's goes on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

// Debian's libfaketime stands before the C library and tells assayd another time of day; time that
// only passes is left alone.
std::string FaketimeLibrary() {
  for (const char* path : {"/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                           "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"}) {
    if (std::filesystem::exists(path)) return path;
  }
  return "";
}

class SteppedClock {
 public:
  SteppedClock() {
    char pattern[] = "/tmp/assay-clock-XXXXXX";
    folder_ = mkdtemp(pattern);
    StepTo(0);
  }
  ~SteppedClock() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SteppedClock(const SteppedClock&) = delete;
  SteppedClock& operator=(const SteppedClock&) = delete;

  void StepTo(int seconds) const {
    // Renamed into place: it is read at every look at the clock.
    std::ofstream(folder_ + "/new") << (seconds < 0 ? "" : "+") << seconds << "\n";
    std::filesystem::rename(folder_ + "/new", folder_ + "/offset");
  }
  AssaydOptions Options() const {
    AssaydOptions options;
    options.environment = {{"LD_PRELOAD", FaketimeLibrary()},
                           {"FAKETIME_TIMESTAMP_FILE", folder_ + "/offset"},
                           {"FAKETIME_NO_CACHE", "1"},
                           {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
                           {"DONT_FAKE_MONOTONIC", "1"}};
    return options;
  }

 private:
  std::string folder_;
};

TEST(ClockSteps, StepsOfMinutesHurtNobodyAndAnHourOffIsNamed) {
  if (FaketimeLibrary().empty()) GTEST_SKIP() << "SKIPPED: Debian's faketime is not installed";
  const SteppedClock clock;
  Site site({.assayd = clock.Options()});
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  const auto well = [&] {
    return site.assayd().Get("/metrics").find("assay_health{part=\"clock\"} 1") !=
           std::string::npos;
  };
  for (int round = 0; round < Rounds(); ++round) {
    for (const int seconds : {2, -2, 90, -90, 240, -240, 0}) {
      SCOPED_TRACE(absl::StrCat("by ", seconds, " s"));
      clock.StepTo(seconds);
      site.CountFault();
      ASSERT_TRUE(shift.AwaitEachLine());
      ASSERT_TRUE(shift.AwaitEachLine());
    }
    for (const int seconds : {3600, -3600, 86400 * 400, -86400 * 30}) {
      SCOPED_TRACE(absl::StrCat("by ", seconds, " s"));
      clock.StepTo(seconds);
      site.CountFault();
      AwaitThat([&] { return !site.assayd().Ready(); }, "not ready");
      EXPECT_FALSE(well());
      clock.StepTo(0);
      AwaitThat([&] { return site.assayd().Ready(); }, "ready again");
      ASSERT_TRUE(shift.AwaitEachLine());
    }
  }
  site.Judge("ClockSteps", {&shift});
}

}  // namespace
}  // namespace assay::chaos
