#include "matter/base38.h"

#include <algorithm>
#include <array>

#include "base/refusal.h"

namespace assay::matter {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.";
// Characters that carry 0, 1, 2 and 3 bytes.
constexpr std::array<size_t, 4> kCharacters = {0, 2, 4, 5};

constexpr std::array<int8_t, 256> MakeValues() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return values;
}
constexpr std::array<int8_t, 256> kValues = MakeValues();

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "base38", "", rule);
}

}  // namespace

std::string ToBase38(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 5);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) value |= uint32_t{bytes[at + i]} << (8 * i);
    for (size_t i = 0; i < kCharacters[count]; ++i, value /= 38) text += kAlphabet[value % 38];
  }
  return text;
}

absl::StatusOr<Bytes> FromBase38(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() / 5 * 3 + 2);
  while (!text.empty()) {
    const size_t characters = std::min<size_t>(5, text.size());
    const auto width = std::find(kCharacters.begin(), kCharacters.end(), characters);
    if (width == kCharacters.end()) return Malformed("no encoder makes this length");
    const size_t count = static_cast<size_t>(width - kCharacters.begin());
    uint32_t value = 0;
    for (size_t i = characters; i-- > 0;) {
      const int digit = kValues[static_cast<uint8_t>(text[i])];
      if (digit < 0) return Malformed("only 0-9, A-Z, - and . may stand here");
      value = value * 38 + static_cast<uint32_t>(digit);
    }
    if (value >> (8 * count) != 0) return Malformed("a group's value exceeds its bytes");
    for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
    text.remove_prefix(characters);
  }
  return bytes;
}

}  // namespace assay::matter
