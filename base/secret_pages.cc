#include "base/secret_pages.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <cstdlib>

namespace assay {

SecretPages::SecretPages(size_t slots, size_t slot_size) : slots_(slots), slot_size_(slot_size) {
  if (view().empty()) return;
  void* const memory = mmap(nullptr, slots_ * slot_size_, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  memory_ = static_cast<uint8_t*>(memory);
  madvise(memory_, slots_ * slot_size_, MADV_DONTDUMP);
  locked_ = mlock(memory_, slots_ * slot_size_) == 0;
}

SecretPages::~SecretPages() {
  if (memory_ == nullptr) return;
  Wipe();
  munmap(memory_, slots_ * slot_size_);
}

void SecretPages::WipeSlot(size_t index) {
  OPENSSL_cleanse(memory_ + index * slot_size_, slot_size_);
}

void SecretPages::Wipe() { OPENSSL_cleanse(memory_, slots_ * slot_size_); }

}  // namespace assay
