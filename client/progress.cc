#include "client/progress.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"

namespace assay::client {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kBarWidth = 24;

}  // namespace

std::string ProgressLine(const ProgressPoint& point) {
  const double share =
      point.total == 0 ? 1.0 : static_cast<double>(point.done) / static_cast<double>(point.total);
  const int full = static_cast<int>(kBarWidth * std::clamp(share, 0.0, 1.0));
  const int64_t left = point.left.count();
  std::string line = absl::StrFormat("[%s%s] %7d/%d  %6.1f/s", std::string(full, '#'),
                                     std::string(kBarWidth - full, '-'), point.done, point.total,
                                     point.per_second);
  if (point.done < point.total && point.per_second > 0) {
    line += left >= 3600
                ? absl::StrFormat("  %d:%02d:%02d left", left / 3600, left / 60 % 60, left % 60)
                : absl::StrFormat("  %d:%02d left", left / 60, left % 60);
  }
  return line;
}

Progress::Progress(std::FILE* out, uint64_t had, uint64_t total)
    : out_(out), had_(had), done_(had), total_(total), begun_(Steady::now()) {
  terminal_ = out_ != nullptr && ::isatty(fileno(out_)) == 1;
  std::lock_guard lock(mutex_);
  Write(false);
}

void Progress::Add(uint64_t more) {
  std::lock_guard lock(mutex_);
  done_ += more;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (Steady::now() - written_ >= pause) Write(false);
}

void Progress::End() {
  std::lock_guard lock(mutex_);
  Write(true);
}

std::chrono::duration<double> Progress::Took() const { return Steady::now() - begun_; }

double Progress::PerSecond() const {
  const double took = Took().count();
  return took <= 0 ? 0 : static_cast<double>(done_ - had_) / took;
}

void Progress::Write(bool last) {
  if (out_ == nullptr) return;
  written_ = Steady::now();
  ProgressPoint point{done_, total_, PerSecond(), std::chrono::seconds(0)};
  if (point.per_second > 0 && total_ > done_) {
    point.left = std::chrono::seconds(
        static_cast<int64_t>(static_cast<double>(total_ - done_) / point.per_second + 0.5));
  }
  const std::string line = ProgressLine(point);
  if (terminal_) {
    absl::FPrintF(out_, "\r\x1b[K%s%s", line, last ? "\n" : "");
  } else {
    absl::FPrintF(out_, "%s\n", line);
  }
  std::fflush(out_);
}

}  // namespace assay::client
