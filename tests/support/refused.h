// EXPECT_REFUSED(status, LOT_NOT_OPEN): the status carries this reason.
#pragma once

#include <gtest/gtest.h>

#include "base/refusal.h"

namespace assay::test_support {

inline testing::AssertionResult Refused(const absl::Status& status, Reason reason) {
  if (HasReason(status, reason)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected " << ReasonName(reason) << ", got " << status;
}

}  // namespace assay::test_support

#define EXPECT_REFUSED(status, reason) \
  EXPECT_TRUE(::assay::test_support::Refused((status), ::assay::Reason::reason))
