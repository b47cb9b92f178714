#include "server/issue/pace.h"

#include <gtest/gtest.h>

namespace assay::issue {
namespace {

using std::chrono::milliseconds;

constexpr int kInFlight = 100;

class PaceTest : public testing::Test {
 protected:
  // `count` tickets end every `every`, for so long.
  void Serve(int count, milliseconds every, milliseconds length) {
    for (const auto end = now_ + length; now_ < end;) {
      now_ += every;
      for (int i = 0; i < count; ++i) pace_.Note(kInFlight, true, now_);
    }
  }
  milliseconds Wait() const { return pace_.WaitBehind(kInFlight, now_); }

  Pace pace_;
  Pace::Time now_{std::chrono::hours(1)};
};

TEST_F(PaceTest, NothingIsSaidBeforeAnythingWasMeasured) {
  EXPECT_EQ(Wait(), milliseconds(0));
  Serve(1, milliseconds(10), milliseconds(200));
  EXPECT_EQ(Wait(), milliseconds(0));
}

TEST_F(PaceTest, AQuarterOfASecondTellsTheFirstPace) {
  Serve(1, milliseconds(10), milliseconds(270));
  // 100 under way at 100 a second, and half as much again.
  EXPECT_NEAR(static_cast<double>(Wait().count()), 1500, 100);
}

TEST_F(PaceTest, TicketsThatEndManyAtATimeDoNotMakeItLookFasterThanItIs) {
  Serve(40, milliseconds(400), milliseconds(4000));
  for (int i = 0; i < 10; ++i) {
    Serve(40, milliseconds(400), milliseconds(400));
    EXPECT_GE(Wait(), milliseconds(1100)) << "it serves 100 a second";
    EXPECT_LE(Wait(), milliseconds(1900));
  }
}

TEST_F(PaceTest, WhatGotMuchSlowerIsBelievedAtOnce) {
  Serve(1, milliseconds(1), milliseconds(3000));
  EXPECT_NEAR(static_cast<double>(Wait().count()), 150, 10);
  Serve(1, milliseconds(10), milliseconds(2100));
  EXPECT_GE(Wait(), milliseconds(1300));
}

TEST_F(PaceTest, WhatWasMeasuredIsForgottenWhereNothingFollows) {
  Serve(1, milliseconds(10), milliseconds(3000));
  EXPECT_GT(Wait(), milliseconds(0));
  now_ += milliseconds(2100);
  EXPECT_EQ(Wait(), milliseconds(0));
}

TEST_F(PaceTest, NobodyWaitsWhereFewAreUnderWay) {
  Serve(1, milliseconds(10), milliseconds(3000));
  EXPECT_EQ(pace_.WaitBehind(31, now_), milliseconds(0));
}

}  // namespace
}  // namespace assay::issue
