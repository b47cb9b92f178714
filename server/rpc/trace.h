// The id under which a caller's own systems know a call.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"

namespace assay::rpc {

// The trace id of a W3C `traceparent` (32 hex digits), else a well-formed `x-request-id` (1 to 64
// of [A-Za-z0-9._-]), else 32 fresh hex digits. What is malformed is ignored, never logged.
std::string TraceId(std::string_view traceparent, std::string_view request_id, Random& random);

}  // namespace assay::rpc
