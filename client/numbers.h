// Numbers and dates as people type them. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace assay::client {

// Decimal, 0x, 0o or 0b; a sign only where the type allows; nothing for anything else or beyond 64
// bits.
std::optional<uint64_t> ParseUnsigned(std::string_view text);
std::optional<int64_t> ParseSigned(std::string_view text);

// YYYY-MM-DD, then nothing, " HH:MM:SS" or "THH:MM:SS", then nothing or "Z": UTC.
std::optional<absl::Time> ParseDate(std::string_view text);

}  // namespace assay::client
