// A file written piece by piece that appears under its name when it is whole, and not at all
// otherwise.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace assay::client {

// Not thread-safe.
class GrowingFile {
 public:
  static absl::StatusOr<GrowingFile> Create(const std::string& path, mode_t mode);
  GrowingFile(GrowingFile&& other) noexcept;
  GrowingFile& operator=(GrowingFile&&) = delete;
  // Removes what was not committed.
  ~GrowingFile();

  absl::Status Write(std::string_view bytes);
  // On disk, then under its name, replacing what was there.
  absl::Status Commit();

 private:
  GrowingFile(std::string path, std::string temporary, int descriptor)
      : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}
  absl::Status Fault(const char* what) const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace assay::client
