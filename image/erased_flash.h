// Erased flash: the 0xFF bytes an image ends with, which is most of it. They are left out where an
// image rests or travels, and put back before anyone hashes or flashes it.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace assay::image {

// The header (value "1") by which a gRPC client says that it puts erased flash back by itself. A
// header and not a field of the requests: a replica of an older release pays no heed to it, and a
// ticket's request stays the same.
inline constexpr char kShortImagesHeader[] = "assay-short-images";

// More than any flash chip has: a whole size beyond it is not believed.
inline constexpr uint64_t kMaxWholeImage = uint64_t{256} << 20;

// How many bytes of `image` are left without the 0xFF at its end.
size_t SizeWithoutErasedFlash(ByteView image);

// Gives `content` its whole size again, filled with 0xFF; the memory it had is wiped, for images
// hold keys. False, and nothing done, where `whole_size` is beyond kMaxWholeImage. A content that
// is as long already stays as it is.
bool RestoreErasedFlash(std::string& content, uint64_t whole_size);

}  // namespace assay::image
