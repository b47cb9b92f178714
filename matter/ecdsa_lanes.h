// What the kernel that checks eight ECDSA signatures side by side shares with who feeds it.
// Internal to matter/. Nothing from the standard library's templates may be included here, as in
// pbkdf2_lanes.h and for the same reason.
#pragma once

#include <stdint.h>

namespace assay::matter {

inline constexpr int kEcdsaLanes = 8;
// A scalar is the sum of digits -63..64 times powers of 2^7, and each power of a point has a row of
// its multiples, so that a product is 37 additions and no doubling.
inline constexpr int kDigitBits = 7;
inline constexpr int kDigits = 37;
inline constexpr int kRowPoints = 64;

// An affine point, both coordinates times 2^260 modulo the field's prime, and below it; the least
// significant word first.
struct alignas(64) TablePoint {
  uint64_t x[4];
  uint64_t y[4];
};
// row[i][j] is (j + 1) 2^(7 i) times the point.
struct PointTable {
  TablePoint row[kDigits][kRowPoints];
};

// For each lane: has u1 G + u2 Q the x coordinate `x` or `other_x` (both below the field's prime)?
struct EcdsaLanes {
  const PointTable* base;              // of G
  const PointTable* key[kEcdsaLanes];  // of Q
  int8_t base_digits[kDigits][kEcdsaLanes];
  int8_t key_digits[kDigits][kEcdsaLanes];
  uint64_t x[4][kEcdsaLanes];  // words, the least significant first
  uint64_t other_x[4][kEcdsaLanes];
  // Any point and its inverse: the sum begins with the one and ends with the other, so that it
  // never is the point at infinity on its way.
  TablePoint start;
  TablePoint end;
};

// Bit i of `right`: lane i has. Bit i of `unclear`: two points that were added were the same, each
// other's inverse or at infinity, which the formulas used do not cover; `right` says nothing then.
// Time and memory accesses depend on the digits: for public values only.
struct EcdsaVerdicts {
  uint8_t right;
  uint8_t unclear;
};
#if defined(__x86_64__)
EcdsaVerdicts CheckLanesIfma(const EcdsaLanes& lanes);
#endif

}  // namespace assay::matter
