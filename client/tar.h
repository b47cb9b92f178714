// Archives in the plain ustar form, each member's header in the one form Assay writes: so the same
// members are the same bytes, and a byte changed anywhere is noticed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::client {

// Writes FILE.part with mode 0600 and renames it when whole. Not thread-safe.
class TarWriter {
 public:
  // Replaces a FILE.part left by a run that was killed.
  static absl::StatusOr<TarWriter> Create(const std::string& path);
  TarWriter(TarWriter&&) noexcept = default;
  TarWriter& operator=(TarWriter&&) noexcept = default;
  // Removes what was not finished.
  ~TarWriter();

  // FIELD_MALFORMED where the name does not fit a header (IsBundleName fits).
  absl::Status Add(std::string_view name, ByteView bytes);
  // The end mark, on disk, under its name.
  absl::Status Finish();

 private:
  explicit TarWriter(std::string path, std::FILE* file)
      : path_(std::move(path)), file_(file, &std::fclose) {}
  absl::Status Put(ByteView bytes);

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// Reads such an archive once, front to back. Every refusal is BUNDLE_INVALID: cut off, not in this
// form, bytes after the end. Not thread-safe.
class TarReader {
 public:
  struct Member {
    std::string name;
    uint64_t size = 0;
    Sha256Digest sha256{};
    std::string content;  // where the caller wanted it
  };

  static absl::StatusOr<TarReader> Open(const std::string& path);

  // The next member, nothing at the end. `keep` says which contents to keep.
  absl::StatusOr<std::optional<Member>> Next(bool (*keep)(std::string_view name));

 private:
  explicit TarReader(std::FILE* file) : file_(file, &std::fclose) {}
  absl::Status End();
  absl::Status TakeContent(Member& member, bool keep);

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace assay::client
