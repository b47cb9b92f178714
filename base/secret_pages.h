// One block of memory for many secrets that wait for their use.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace assay {

// `slots` places of `slot_size` bytes each, all zero at first, in pages of their own: not in a core
// dump, and not swapped out where the process may lock that much memory (ulimit -l). Wiped on
// destruction. Ends the program where the memory cannot be had. Not thread-safe, but that different
// slots may be used by different threads.
class SecretPages {
 public:
  SecretPages(size_t slots, size_t slot_size);
  ~SecretPages();
  SecretPages(const SecretPages&) = delete;
  SecretPages& operator=(const SecretPages&) = delete;

  std::span<uint8_t> Slot(size_t index) { return {memory_ + index * slot_size_, slot_size_}; }
  void WipeSlot(size_t index);
  void Wipe();

  size_t slots() const { return slots_; }
  bool locked() const { return locked_; }
  // All slots, one after the other.
  ByteView view() const { return {memory_, slots_ * slot_size_}; }

 private:
  const size_t slots_, slot_size_;
  uint8_t* memory_ = nullptr;
  bool locked_ = false;
};

}  // namespace assay
