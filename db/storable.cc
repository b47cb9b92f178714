#include "db/storable.h"

#include <cstddef>
#include <cstdint>

namespace assay::db {

bool Storable(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const int more = first < 0x80   ? 0
                     : first < 0xC2 ? -1
                     : first < 0xE0 ? 1
                     : first < 0xF0 ? 2
                     : first < 0xF5 ? 3
                                    : -1;
    if (first == 0 || more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<uint8_t>(text[i + static_cast<size_t>(k)]);
      if ((next & 0xC0) != 0x80) return false;
      // Overlong forms, surrogates and what lies beyond U+10FFFF.
      if (k == 1 && ((first == 0xE0 && next < 0xA0) || (first == 0xED && next > 0x9F) ||
                     (first == 0xF0 && next < 0x90) || (first == 0xF4 && next > 0x8F))) {
        return false;
      }
    }
    i += 1 + static_cast<size_t>(more);
  }
  return true;
}

}  // namespace assay::db
