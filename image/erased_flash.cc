#include "image/erased_flash.h"

#include <cstring>
#include <utility>

#include "base/secret.h"

namespace assay::image {

size_t SizeWithoutErasedFlash(ByteView image) {
  size_t size = image.size();
  // It is most of the image: eight bytes at once.
  constexpr uint64_t kErased = ~uint64_t{0};
  while (size >= sizeof kErased &&
         std::memcmp(image.data() + size - sizeof kErased, &kErased, sizeof kErased) == 0) {
    size -= sizeof kErased;
  }
  while (size > 0 && image[size - 1] == 0xFF) --size;
  return size;
}

bool RestoreErasedFlash(std::string& content, uint64_t whole_size) {
  if (whole_size > kMaxWholeImage) return false;
  if (content.size() >= whole_size) return true;
  std::string whole;
  whole.reserve(whole_size);
  whole = content;
  whole.resize(whole_size, '\xFF');
  std::swap(content, whole);
  WipeText(whole);
  return true;
}

}  // namespace assay::image
