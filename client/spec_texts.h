// mfg_tool's texts for labels and modes, as messages of the contract. Pure, thread-safe.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "assay/v1/catalog.pb.h"

namespace assay::client {

// "<endpoint>/<label>/<value>"
absl::Status ReadFixedLabel(std::string_view text, v1::FixedLabel& label);
// "<mode>/<label>/<endpoint>[/<value>\<mfg>, ...]"
absl::Status ReadSupportedMode(std::string_view text, v1::SupportedMode& mode);

}  // namespace assay::client
