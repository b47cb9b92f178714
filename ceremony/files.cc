#include "ceremony/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/refusal.h"

namespace assay::ceremony {
namespace {

bool WriteAndSync(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  bool good = true;
  while (good && !text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    if (good) text.remove_prefix(static_cast<size_t>(written));
  }
  good = good && fsync(file) == 0;
  return close(file) == 0 && good;
}

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return std::optional<std::string>();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return RefuseField(Reason::FIELD_NOT_ALLOWED, "file", path, "cannot be read");
  return std::optional<std::string>(text.str());
}

absl::Status WriteWhole(const std::string& path, std::string_view text) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  const std::string aside = path + ".new";
  bool good = WriteAndSync(aside, text);
  if (good) {
    std::filesystem::rename(aside, path, failed);
    good = !failed;
  }
  if (good) return absl::OkStatus();
  return RefuseField(Reason::FIELD_NOT_ALLOWED, "file", path, "cannot be written");
}

}  // namespace assay::ceremony
