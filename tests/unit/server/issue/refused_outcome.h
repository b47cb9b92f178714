// EXPECT_THAT(outcome, Refused(Reason::LOT_NOT_OPEN)), for what has a status.
#pragma once

#include <gmock/gmock.h>

#include "base/refusal.h"

namespace assay::issue {

MATCHER_P(Refused, reason, "") {
  *result_listener << arg.status();
  return HasReason(arg.status(), reason);
}

}  // namespace assay::issue
