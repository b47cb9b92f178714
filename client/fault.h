// What went wrong, for the person or program at the line: gRPC answers as Assay's own statuses,
// statuses as one clear line and an exit code. Pure functions, thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "assay/v1/issuance.pb.h"
#include "grpcpp/support/status.h"

namespace assay::client {

// The refusal inside a gRPC status (google.rpc.ErrorInfo of domain "assay", BadRequest, RetryInfo)
// as an absl::Status with base/refusal.h's refusal. A status of gRPC's own (server unreachable,
// deadline) or a reason this build does not know keeps code and message and carries no refusal.
absl::Status FromGrpc(const grpc::Status& status);
// The same for a refusal inside a stream.
absl::Status FromRefusal(const v1::Refusal& refusal);

// How long to wait before the same request may succeed; nothing where it will not. Also true of an
// unreachable server.
std::optional<std::chrono::milliseconds> RetryAfter(const absl::Status& status);

// One line: what, field, value, rule, reason, and whether to retry.
//   "lot: no such lot (got L7) [LOT_UNKNOWN: no such lot; do not retry unchanged]"
std::string FaultLine(const absl::Status& status);

// Programs branch on these.
enum class ExitCode { kOk = 0, kRefused = 1, kUsage = 2, kUnreachable = 3 };
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace assay::client
