// Verhoeff's check digit over decimal digits, as the manual pairing code ends with
// (spec 5.1.4.1.5).
#pragma once

#include <optional>
#include <string_view>

namespace assay::matter {

// The digit ('0'..'9') to append; nothing when `digits` holds anything but decimal digits.
std::optional<char> VerhoeffDigit(std::string_view digits);

// Whether the last character is the check digit of those before it. False for an empty text.
bool EndsWithVerhoeffDigit(std::string_view digits);

}  // namespace assay::matter
