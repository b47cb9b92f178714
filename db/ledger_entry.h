// The ledger's entries the store composes itself. Canonical JSON: keys in order, no spaces, no
// secrets.
#pragma once

#include <string>
#include <string_view>

#include "db/store.h"

namespace assay::db {

inline constexpr std::string_view kSealEntry = "device.seal";
inline constexpr std::string_view kConfirmEntry = "device.confirm";

std::string ConfirmEntry(const Confirmation& confirmation, std::string_view device_id,
                         std::string_view lot);

}  // namespace assay::db
