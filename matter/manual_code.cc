#include "matter/manual_code.h"

#include <cstdio>

#include "base/refusal.h"
#include "base/secret.h"
#include "matter/verhoeff.h"

namespace assay::matter {
namespace {

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "manual_code", "", rule);
}

uint32_t ReadDigits(std::string_view digits, size_t at, size_t count) {
  uint32_t value = 0;
  for (char c : digits.substr(at, count)) value = value * 10 + static_cast<uint32_t>(c - '0');
  return value;
}

absl::StatusOr<ManualCode> ReadChunks(std::string_view digits) {
  if (digits.size() != kShortManualCodeSize && digits.size() != kLongManualCodeSize) {
    return Malformed("must have 11 or 21 digits");
  }
  const uint32_t first = ReadDigits(digits, 0, 1);
  if (first > 7) return Malformed("the first digit must be 0..7");
  ManualCode code;
  code.is_long = (first & 4) != 0;
  if (digits.size() != (code.is_long ? kLongManualCodeSize : kShortManualCodeSize)) {
    return Malformed("the length must be the one the first digit announces");
  }
  if (!EndsWithVerhoeffDigit(digits)) return Malformed("the check digit is wrong");
  const uint32_t middle = ReadDigits(digits, 1, 5);
  const uint32_t high = ReadDigits(digits, 6, 4);
  if (middle > 0xFFFF || high > 0x1FFF) return Malformed("a group of digits is out of range");
  code.short_discriminator = static_cast<uint8_t>((first & 3) << 2 | middle >> 14);
  code.passcode = (middle & 0x3FFF) | high << 14;
  if (code.passcode == 0) return Malformed("the passcode must not be 0");
  if (code.is_long) {
    const uint32_t vendor_id = ReadDigits(digits, 10, 5);
    const uint32_t product_id = ReadDigits(digits, 15, 5);
    if (vendor_id > 0xFFFF || product_id > 0xFFFF) {
      return Malformed("vendor and product id must fit 16 bits");
    }
    code.vendor_id = static_cast<uint16_t>(vendor_id);
    code.product_id = static_cast<uint16_t>(product_id);
  }
  return code;
}

std::string Grouped(std::string_view digits, std::initializer_list<size_t> sizes) {
  std::string text;
  for (size_t size : sizes) {
    if (!text.empty()) text += '-';
    text += digits.substr(0, size);
    digits.remove_prefix(size);
  }
  return text;
}

}  // namespace

std::string WriteManualCode(const ManualCode& code) {
  const unsigned discriminator = code.short_discriminator & 0xFu;
  const unsigned passcode = code.passcode & 0x7FFFFFFu;
  char buffer[32];
  int size = std::snprintf(buffer, sizeof buffer, "%1u%05u%04u",
                           discriminator >> 2 | (code.is_long ? 4u : 0u),
                           (passcode & 0x3FFFu) | (discriminator & 3u) << 14, passcode >> 14);
  if (code.is_long) {
    size += std::snprintf(buffer + size, sizeof buffer - static_cast<size_t>(size), "%05u%05u",
                          unsigned{code.vendor_id}, unsigned{code.product_id});
  }
  std::string digits(buffer, static_cast<size_t>(size));
  digits += VerhoeffDigit(digits).value_or('?');
  return digits;
}

absl::StatusOr<ManualCode> ReadManualCode(std::string_view text) {
  std::string digits;
  for (char c : text) {
    if (c == '-' || c == ' ') continue;
    if (c < '0' || c > '9') return Malformed("only digits, dashes and blanks may stand here");
    digits += c;
  }
  absl::StatusOr<ManualCode> code = ReadChunks(digits);
  WipeText(digits);
  return code;
}

std::string FormatManualCode(std::string_view digits, ManualCodeGrouping grouping) {
  if (digits.size() == kShortManualCodeSize) return Grouped(digits, {4, 3, 4});
  if (digits.size() != kLongManualCodeSize) return std::string(digits);
  if (grouping == ManualCodeGrouping::kLabel) return Grouped(digits, {4, 3, 4, 5, 5});
  return Grouped(digits.substr(0, 11), {4, 3, 4}) + "\n" + Grouped(digits.substr(11), {4, 3, 2, 1});
}

}  // namespace assay::matter
