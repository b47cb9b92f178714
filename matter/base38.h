// Base38, the alphabet of Matter's QR codes (spec 5.1.3.1): 0-9 A-Z - . with three bytes
// little-endian in five characters, two in four, one in two, least significant first.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::matter {

std::string ToBase38(ByteView bytes);

// FIELD_MALFORMED for a foreign character, a length no encoder makes, or a group whose value
// exceeds its bytes. The refusal does not hold the text: it may carry a passcode.
absl::StatusOr<Bytes> FromBase38(std::string_view text);

}  // namespace assay::matter
