// Frames of Zstandard (RFC 8878) for secrets that have most of their bytes in common with something
// known, the dictionary.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay {

// Immutable and thread-safe. zstd works in memory that is kept for each thread and wiped after each
// frame; what passes its stack is not wiped.
class ZstdDictionary {
 public:
  // `common` is no secret: it stays in memory.
  explicit ZstdDictionary(Bytes common);
  ~ZstdDictionary();
  ZstdDictionary(const ZstdDictionary&) = delete;
  ZstdDictionary& operator=(const ZstdDictionary&) = delete;

  ByteView common() const { return common_; }

  // A frame of `plain` that says its size and has a checksum. Empty where zstd fails.
  SecretBytes Compress(ByteView plain) const;
  // INTERNAL where the frame is damaged, is of another dictionary, or does not say a size of at
  // most `most` bytes.
  absl::StatusOr<SecretBytes> Decompress(ByteView frame, size_t most) const;

 private:
  struct ForWriting;
  const ForWriting& Tables() const;

  const Bytes common_;
  mutable std::once_flag made_;
  mutable std::unique_ptr<ForWriting> tables_;  // made at the first frame: readers need none
};

}  // namespace assay
