#include "server/issue/together.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace assay::issue {
namespace {

TEST(Together, WhatIsPutOffRunsInItsOrderAsTheBatchEnds) {
  std::string order;
  {
    Together batch;
    Together::After([&] { order += "a"; });
    Together::After([&] { order += "b"; });
    order += "answers ";
  }
  EXPECT_EQ(order, "answers ab");
}

TEST(Together, OutsideOfABatchNothingIsPutOff) {
  { Together before; }
  bool ran = false;
  Together::After([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(Together, WhatIsPutOffLeadsToRunsAtOnce) {
  bool ran = false;
  {
    Together batch;
    Together::After([&] {
      Together::After([&] { ran = true; });
      EXPECT_TRUE(ran);
    });
  }
  EXPECT_TRUE(ran);
}

TEST(Together, AnotherThreadHasItsOwn) {
  Together batch;
  bool ran = false;
  std::thread([&] {
    Together::After([&] { ran = true; });
    EXPECT_TRUE(ran);
  }).join();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace assay::issue
