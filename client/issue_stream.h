// Issues many identities over one stream: a window of requests in flight, answers in any order,
// broken streams and "try later" taken care of.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/issuance.pb.h"
#include "client/connection.h"

namespace assay::client {

struct IssueStreamOptions {
  int window = 64;  // requests in flight
  // Without any answer for this long the run ends with the last fault; it can be run again.
  std::chrono::milliseconds give_up_after{60000};
};

// The next request, or nothing when there is no more. Called on the caller's thread, in order, each
// once.
using NextRequest = std::function<std::optional<v1::IssueRequest>()>;
// One ticket's end: an identity, or a refusal that no retry mends. Called on one thread at a time.
// Images are whole, though they travel without erased flash. False: send nothing more; what is in
// flight is still answered.
using TakeOutcome =
    std::function<bool(const std::string& ticket, absl::StatusOr<v1::IssueResponse> outcome)>;

// Returns OK when every request given was answered; otherwise the fault that ended the stream for
// good (what was in flight then is unknown, and asking again with the same tickets is safe).
// Tickets must differ. `stopped` is asked from time to time; true means the same as TakeOutcome's
// false.
absl::Status IssueMany(Connection& connection, const IssueStreamOptions& options,
                       const NextRequest& next, const TakeOutcome& take,
                       const std::function<bool()>& stopped);

}  // namespace assay::client
