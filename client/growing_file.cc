#include "client/growing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/files.h"

namespace assay::client {

absl::StatusOr<GrowingFile> GrowingFile::Create(const std::string& path, mode_t mode) {
  std::string temporary = absl::StrCat(path, ".part", ::getpid());
  GrowingFile file(path, temporary,
                   ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (file.descriptor_ < 0 || ::fchmod(file.descriptor_, mode) != 0) return file.Fault("write");
  return file;
}

GrowingFile::GrowingFile(GrowingFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

GrowingFile::~GrowingFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

absl::Status GrowingFile::Fault(const char* what) const {
  return RefuseField(Reason::FIELD_NOT_ALLOWED, "file", path_,
                     absl::StrCat("cannot ", what, ": ", std::strerror(errno)));
}

absl::Status GrowingFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fault("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status GrowingFile::Commit() {
  if (::fsync(descriptor_) != 0) return Fault("write");
  ::close(std::exchange(descriptor_, -1));
  const absl::Status renamed = RenamePath(temporary_, path_);
  if (!renamed.ok()) ::unlink(temporary_.c_str());
  return renamed;
}

}  // namespace assay::client
