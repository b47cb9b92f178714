// Labels in the token: what ceremonies and sandboxes make, and the configuration's defaults.
#pragma once

#include <string_view>

namespace assay::ceremony {

inline constexpr std::string_view kSandboxPaaKey = "assay-sandbox-paa";
inline constexpr std::string_view kSandboxCdKey = "assay-sandbox-cd";
inline constexpr std::string_view kImageKey = "assay-image";
inline constexpr std::string_view kWrappingKey = "assay-wrapping";
inline constexpr std::string_view kLedgerKey = "assay-ledger";
// A PAI's key bears this and the PAI's name.
inline constexpr std::string_view kPaiKeyPrefix = "assay-pai-";

}  // namespace assay::ceremony
