// The digits of the manual pairing code (spec 5.1.4): fields to digits and back, without judging
// the fields. Which values a label may carry is onboarding.h's question.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace assay::matter {

inline constexpr size_t kShortManualCodeSize = 11;
inline constexpr size_t kLongManualCodeSize = 21;

// What the digits carry: only the upper four of the discriminator's twelve bits survive, and the
// ids only in the long form. `is_long` stands for "commissioning flow other than standard".
struct ManualCode {
  uint8_t short_discriminator = 0;  // 0..15
  uint32_t passcode = 0;            // 27 bits; a secret
  bool is_long = false;
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;

  bool operator==(const ManualCode&) const = default;
};

// 11 or 21 digits. Fields beyond their width are cut to it.
std::string WriteManualCode(const ManualCode& code);

// Reads digits; dashes and blanks are skipped. FIELD_MALFORMED with the rule for: other characters,
// a length other than 11 or 21 or not the one digit 1 announces, first digit 8 or 9, wrong check
// digit, chunks beyond their range, passcode 0. The refusal does not hold the digits.
absl::StatusOr<ManualCode> ReadManualCode(std::string_view text);

// kLabel: 4-3-4 and 4-3-4-5-5 with dashes, in one line.
// kMfgTool: as esp-matter-mfg-tool prints: 4-3-4, for the long code a line feed and 4-3-2-1 more.
enum class ManualCodeGrouping { kLabel, kMfgTool };

// Groups 11 or 21 digits; any other text is returned as it is.
std::string FormatManualCode(std::string_view digits,
                             ManualCodeGrouping grouping = ManualCodeGrouping::kLabel);

}  // namespace assay::matter
