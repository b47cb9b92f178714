#include "fsck/progress.h"

#include <unistd.h>

#include <algorithm>

namespace assay::fsck {

Progress::Progress(std::FILE* out, std::string what, uint64_t total)
    : out_(out),
      what_(std::move(what)),
      total_(total),
      terminal_(out != nullptr && isatty(fileno(out)) == 1),
      begun_(std::chrono::steady_clock::now()),
      written_(begun_) {}

void Progress::Add(uint64_t more) {
  const std::lock_guard lock(mutex_);
  done_ += more;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (std::chrono::steady_clock::now() - written_ >= pause) Write(false);
}

void Progress::End() {
  const std::lock_guard lock(mutex_);
  if (terminal_) Write(true);
}

void Progress::Write(bool last) {
  if (out_ == nullptr) return;
  written_ = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(written_ - begun_).count();
  const uint64_t share = total_ == 0 ? 100 : std::min<uint64_t>(100, done_ * 100 / total_);
  const std::string bar = std::string(share / 5, '#') + std::string(20 - share / 5, '-');
  std::fprintf(out_, "%s[%s] %llu/%llu %s  %.0f/s%s", terminal_ ? "\r" : "", bar.c_str(),
               static_cast<unsigned long long>(done_), static_cast<unsigned long long>(total_),
               what_.c_str(), seconds > 0 ? static_cast<double>(done_) / seconds : 0,
               !terminal_ || last ? "\n" : "");
  std::fflush(out_);
}

}  // namespace assay::fsck
