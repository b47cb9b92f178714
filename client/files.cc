#include "client/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::client {
namespace {

absl::Status SystemFault(absl::string_view what, const std::string& path) {
  return RefuseField(Reason::REQUEST_MALFORMED, path, "",
                     absl::StrCat("cannot ", what, " it: ", std::strerror(errno)));
}

// Closes on every way out.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags, mode_t mode = 0)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  bool ok() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

// More than any file that is read whole; a device or a pipe may go on for ever.
constexpr size_t kMostRead = size_t{1} << 30;

bool WriteAll(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

absl::Status SyncFolder(const std::string& folder) {
  OpenFile open(folder, O_RDONLY | O_DIRECTORY);
  if (!open.ok() || ::fsync(open.get()) != 0) return SystemFault("sync", folder);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bytes> ReadFile(const std::string& path) {
  OpenFile file(path, O_RDONLY);
  if (!file.ok()) return SystemFault("read", path);
  Bytes bytes;
  uint8_t buffer[65536];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemFault("read", path);
    if (got == 0) return bytes;
    bytes.insert(bytes.end(), buffer, buffer + got);
    if (bytes.size() > kMostRead) {
      return RefuseField(Reason::REQUEST_MALFORMED, path, "", "is larger than 1 GiB");
    }
  }
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  return ToText(*bytes);
}

absl::Status WriteFile(const std::string& path, ByteView bytes, mode_t mode) {
  OpenFile file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  // An older file keeps its mode at open; a secret must not go into one that others can read.
  if (!file.ok() || ::fchmod(file.get(), mode) != 0 || !WriteAll(file.get(), bytes)) {
    return SystemFault("write", path);
  }
  return absl::OkStatus();
}

absl::Status ReplaceFile(const std::string& path, ByteView bytes, mode_t mode) {
  const std::string temporary = absl::StrCat(path, ".part", ::getpid());
  {
    OpenFile file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (!file.ok() || ::fchmod(file.get(), mode) != 0 || !WriteAll(file.get(), bytes) ||
        ::fsync(file.get()) != 0) {
      return SystemFault("write", temporary);
    }
  }
  ASSAY_RETURN_IF_ERROR(RenamePath(temporary, path));
  return SyncFolder(FolderOf(path));
}

absl::Status AppendFile(const std::string& path, std::string_view text, mode_t mode) {
  OpenFile file(path, O_WRONLY | O_CREAT | O_APPEND, mode);
  if (!file.ok() || !WriteAll(file.get(), AsBytes(text)) || ::fsync(file.get()) != 0) {
    return SystemFault("append to", path);
  }
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path, mode_t mode) {
  std::string made;
  for (const auto& part : std::filesystem::path(path)) {
    made = made.empty() ? part.string() : (std::filesystem::path(made) / part).string();
    if (made.empty() || made == "/") continue;
    if (::mkdir(made.c_str(), mode) != 0 && errno != EEXIST)
      return SystemFault("make folder", made);
  }
  if (!std::filesystem::is_directory(path)) {
    errno = ENOTDIR;
    return SystemFault("make folder", path);
  }
  return absl::OkStatus();
}

absl::Status RenamePath(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return SystemFault("rename to", to);
  return absl::OkStatus();
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) {
    errno = error.value();
    return SystemFault("remove", path);
  }
  return absl::OkStatus();
}

absl::Status SyncFileSystem(const std::string& folder) {
  OpenFile open(folder, O_RDONLY | O_DIRECTORY);
  if (!open.ok() || ::syncfs(open.get()) != 0) return SystemFault("sync", folder);
  return absl::OkStatus();
}

bool PathExists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

std::string Stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

std::string PathBelow(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& folder) {
  const std::string path = PathBelow(folder, ".lock");
  OpenFile file(path, O_RDWR | O_CREAT, kPrivateFile);
  if (!file.ok()) return SystemFault("open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "out", folder,
                       "another run is writing this folder; wait for it or give another folder");
  }
  return FolderLock(file.Release());
}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace assay::client
