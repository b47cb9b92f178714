// From the options of `issue` to what is asked of the server.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"
#include "client/command/commands.h"
#include "client/issue_run.h"

namespace assay::client {

// Reads the list of units that the options name. FIELDS_CONTRADICT where it is not the one the
// lot's product asks for; whatever reading the list refuses.
absl::StatusOr<RunOrder> OrderOf(Context& context, const IssueOptions& options,
                                 const v1::ProductSpec& spec);

v1::IssueRequest RequestFor(const PlannedTicket& planned, const std::string& lot);

}  // namespace assay::client
