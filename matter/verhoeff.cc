#include "matter/verhoeff.h"

#include <array>
#include <cstdint>

namespace assay::matter {
namespace {

// Multiplication in the dihedral group of the pentagon: 0..4 turn, 5..9 mirror.
constexpr int Multiply(int a, int b) {
  if (a < 5) return b < 5 ? (a + b) % 5 : (a + b) % 5 + 5;
  return b < 5 ? (a - b + 5) % 5 + 5 : (a - b + 5) % 5;
}
constexpr int Inverse(int a) { return a < 5 ? (5 - a) % 5 : a; }

constexpr std::array<int, 10> kPermutation = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};

}  // namespace

std::optional<char> VerhoeffDigit(std::string_view digits) {
  int check = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[digits.size() - 1 - i];
    if (c < '0' || c > '9') return std::nullopt;
    int value = c - '0';
    // Position i, counted from the right and 1 for the last digit, permutes i times; the order
    // is 8.
    for (size_t turn = 0; turn < (i + 1) % 8; ++turn) value = kPermutation[value];
    check = Multiply(check, value);
  }
  return static_cast<char>('0' + Inverse(check));
}

bool EndsWithVerhoeffDigit(std::string_view digits) {
  if (digits.empty()) return false;
  const std::optional<char> check = VerhoeffDigit(digits.substr(0, digits.size() - 1));
  return check && *check == digits.back();
}

}  // namespace assay::matter
