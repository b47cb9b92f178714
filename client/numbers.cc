#include "client/numbers.h"

#include <charconv>
#include <string>

#include "absl/strings/match.h"

namespace assay::client {

std::optional<uint64_t> ParseUnsigned(std::string_view text) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char mark = text[1];
    base = mark == 'x' || mark == 'X' ? 16 : mark == 'o' || mark == 'O' ? 8 : mark == 'b' ? 2 : 10;
    if (base != 10) text.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<int64_t> ParseSigned(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  const auto size = ParseUnsigned(text);
  if (!size || *size > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<int64_t>(*size) : static_cast<int64_t>(*size);
}

std::optional<absl::Time> ParseDate(std::string_view text) {
  std::string plain(text);
  if (plain.size() > 10 && plain.back() == 'Z') plain.pop_back();
  if (plain.size() != 10 && plain.size() != 19) return std::nullopt;
  if (plain.size() == 10) plain += "T00:00:00";
  if (plain[10] == ' ') plain[10] = 'T';
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%dT%H:%M:%S", plain, absl::UTCTimeZone(), &time, &error)) {
    return std::nullopt;
  }
  return time;
}

}  // namespace assay::client
