// From a refusal inside the house to what a caller sees: the one place where the two meet.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "assay/v1/issuance.pb.h"
#include "grpcpp/support/status.h"

namespace assay::rpc {

// The domain of google.rpc.ErrorInfo.
inline constexpr std::string_view kErrorDomain = "assay";

// OK stays OK. Otherwise the canonical code with google.rpc.Status in grpc-status-details-bin:
// ErrorInfo (reason, domain, and field, value and rule as metadata where there are any), BadRequest
// where a field is at fault, RetryInfo where the same request may succeed later. A status that
// bears no refusal becomes INTERNAL.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The same for an item of a stream.
v1::Refusal ToStreamRefusal(const absl::Status& status);

// "OK", or the reason's name: the label in logs and metrics.
std::string_view OutcomeName(const absl::Status& status);

}  // namespace assay::rpc
