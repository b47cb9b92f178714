// A device's receipts as files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "assay/v1/ledger.pb.h"
#include "client/command/context.h"

namespace assay::client {

// DEVICE.tlog-proof, DEVICE-2.tlog-proof and so on in `folder`, which is made; empty: here. Prints
// their paths.
absl::Status WriteReceipts(Context& context, const v1::GetReceiptsResponse& receipts,
                           const std::string& folder);

}  // namespace assay::client
