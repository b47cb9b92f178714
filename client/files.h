// Files as the command line writes them: whole or not at all, private where they hold secrets.
// Refusals are REQUEST_MALFORMED with the path and the system's word. Thread-safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::client {

inline constexpr mode_t kPrivateFile = 0600;
inline constexpr mode_t kPublicFile = 0644;
inline constexpr mode_t kPrivateFolder = 0700;

absl::StatusOr<Bytes> ReadFile(const std::string& path);
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

// Creates or truncates with exactly this mode; not durable by itself. For files inside a folder
// that is renamed into place when whole.
absl::Status WriteFile(const std::string& path, ByteView bytes, mode_t mode);
// Temporary name, fsync, rename, fsync of the folder: after a crash there is the old file or the
// new one.
absl::Status ReplaceFile(const std::string& path, ByteView bytes, mode_t mode);
// One write at the end of the file, then fsync. Creates it with `mode`.
absl::Status AppendFile(const std::string& path, std::string_view text, mode_t mode);

// With parents; an existing folder is fine and keeps its mode.
absl::Status MakeFolder(const std::string& path, mode_t mode = kPrivateFolder);
absl::Status RenamePath(const std::string& from, const std::string& to);
absl::Status RemoveTree(const std::string& path);
// Everything written below the folder's file system is on disk.
absl::Status SyncFileSystem(const std::string& folder);
bool PathExists(const std::string& path);
std::string AbsolutePath(const std::string& path);
// "x" for "a/b/x.csr".
std::string Stem(const std::string& path);
// Below `folder` unless `path` is absolute.
std::string PathBelow(const std::string& folder, const std::string& path);

// An exclusive lock on a file, held until destruction; a second program is refused
// (FIELDS_CONTRADICT), so two runs never write the same folder.
class FolderLock {
 public:
  static absl::StatusOr<FolderLock> Take(const std::string& folder);
  FolderLock(FolderLock&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = -1;
  }
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace assay::client
