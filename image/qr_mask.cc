#include "image/qr_mask.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace assay::image {
namespace {

constexpr int kMasks = 8;
constexpr unsigned kFormatXor = 0x5412;  // ISO/IEC 18004 7.9

// Whether mask `mask` inverts the module.
bool Inverts(int mask, int column, int row) {
  switch (mask) {
    case 0:
      return (row + column) % 2 == 0;
    case 1:
      return row % 2 == 0;
    case 2:
      return column % 3 == 0;
    case 3:
      return (row + column) % 3 == 0;
    case 4:
      return (row / 2 + column / 3) % 2 == 0;
    case 5:
      return row * column % 2 + row * column % 3 == 0;
    case 6:
      return (row * column % 2 + row * column % 3) % 2 == 0;
    default:
      return (row * column % 3 + (row + column) % 2) % 2 == 0;
  }
}

// The two places of format bit `bit` (0 is the least significant), as column and row.
std::array<std::pair<int, int>, 2> FormatPlaces(int bit, int size) {
  if (bit < 8) return {{{size - 1 - bit, 8}, {8, bit < 6 ? bit : bit + 1}}};
  return {{{8, size - 15 + bit}, {bit == 8 ? 7 : 14 - bit, 8}}};
}

// Level M is 00; five bits of format and ten of BCH code.
unsigned FormatBits(int mask) {
  const auto format = static_cast<unsigned>(mask);
  unsigned rest = format << 10;
  for (int bit = 14; bit >= 10; --bit) {
    if ((rest >> bit & 1) != 0) rest ^= 0x537u << (bit - 10);
  }
  return (format << 10 | rest) ^ kFormatXor;
}

int MaskOf(const QrMatrix& matrix) {
  unsigned format = 0;
  for (int bit = 0; bit < 15; ++bit) {
    const auto [column, row] = FormatPlaces(bit, matrix.size())[0];
    format |= static_cast<unsigned>(matrix.Dark(column, row)) << bit;
  }
  return static_cast<int>((format ^ kFormatXor) >> 10 & 7);
}

QrMatrix Remasked(const QrMatrix& matrix, const std::vector<bool>& maskable, int from, int to) {
  QrMatrix result = matrix;
  for (int row = 0; row < matrix.size(); ++row) {
    for (int column = 0; column < matrix.size(); ++column) {
      if (!maskable[static_cast<size_t>(row) * matrix.size() + column]) continue;
      result.Set(column, row,
                 matrix.Dark(column, row) ^ Inverts(from, column, row) ^ Inverts(to, column, row));
    }
  }
  const unsigned format = FormatBits(to);
  for (int bit = 0; bit < 15; ++bit) {
    for (const auto& [column, row] : FormatPlaces(bit, matrix.size())) {
      result.Set(column, row, (format >> bit & 1) != 0);
    }
  }
  return result;
}

// Module `place` of line `line`, lines being rows or columns.
bool DarkAlong(const QrMatrix& matrix, bool by_rows, int line, int place) {
  return by_rows ? matrix.Dark(place, line) : matrix.Dark(line, place);
}

int RunPenalty(const QrMatrix& matrix, bool by_rows) {
  int penalty = 0;
  for (int line = 0; line < matrix.size(); ++line) {
    int run = 0;
    for (int place = 0; place < matrix.size(); ++place) {
      const bool same = place > 0 && DarkAlong(matrix, by_rows, line, place) ==
                                         DarkAlong(matrix, by_rows, line, place - 1);
      if (!same && run >= 5) penalty += run - 2;
      run = same ? run + 1 : 1;
    }
    if (run >= 5) penalty += run - 2;
  }
  return penalty;
}

int BlockPenalty(const QrMatrix& matrix) {
  int penalty = 0;
  for (int row = 0; row + 1 < matrix.size(); ++row) {
    for (int column = 0; column + 1 < matrix.size(); ++column) {
      const bool dark = matrix.Dark(column, row);
      if (dark == matrix.Dark(column + 1, row) && dark == matrix.Dark(column, row + 1) &&
          dark == matrix.Dark(column + 1, row + 1)) {
        penalty += 3;
      }
    }
  }
  return penalty;
}

// Looks like a finder pattern beside four light modules.
int FinderPenalty(const QrMatrix& matrix, bool by_rows) {
  static constexpr unsigned kPatterns[] = {0b00001011101, 0b10111010000};
  constexpr int kLength = 11;
  int penalty = 0;
  for (int line = 0; line < matrix.size(); ++line) {
    unsigned window = 0;
    for (int place = 0; place < matrix.size(); ++place) {
      window =
          (window << 1 | static_cast<unsigned>(DarkAlong(matrix, by_rows, line, place))) & 0x7FF;
      if (place + 1 < kLength) continue;
      for (const unsigned pattern : kPatterns) penalty += window == pattern ? 40 : 0;
    }
  }
  return penalty;
}

// The reference library drops the fraction of the percentage and counts each whole percent off the
// middle as two.
int BalancePenalty(const QrMatrix& matrix) {
  int dark = 0;
  for (int row = 0; row < matrix.size(); ++row) {
    for (int column = 0; column < matrix.size(); ++column) dark += matrix.Dark(column, row);
  }
  const double percent = 100.0 * dark / (matrix.size() * matrix.size()) - 50;
  return 2 * std::abs(static_cast<int>(percent));
}

int Penalty(const QrMatrix& matrix) {
  return RunPenalty(matrix, true) + RunPenalty(matrix, false) + BlockPenalty(matrix) +
         FinderPenalty(matrix, true) + FinderPenalty(matrix, false) + BalancePenalty(matrix);
}

}  // namespace

void ChooseReferenceMask(QrMatrix& matrix, const std::vector<bool>& maskable) {
  const int from = MaskOf(matrix);
  QrMatrix best = Remasked(matrix, maskable, from, 0);
  int lowest = Penalty(best);
  for (int mask = 1; mask < kMasks; ++mask) {
    QrMatrix candidate = Remasked(matrix, maskable, from, mask);
    const int penalty = Penalty(candidate);
    if (penalty < lowest) {
      lowest = penalty;
      best = std::move(candidate);
    }
  }
  matrix = std::move(best);
}

}  // namespace assay::image
