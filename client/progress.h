// How a long command tells where it is: a bar on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

namespace assay::client {

struct ProgressPoint {
  uint64_t done = 0;
  uint64_t total = 0;
  double per_second = 0;
  std::chrono::seconds left{0};
};
// "[##########----------]   50/100  123.4/s  0:01 left", without line end.
std::string ProgressLine(const ProgressPoint& point);

// Thread-safe. Rate and time left are of this run: what was there before does not count.
class Progress {
 public:
  // `had` of `total` were there before. Nothing is written where `out` is null.
  Progress(std::FILE* out, uint64_t had, uint64_t total);
  void Add(uint64_t more);
  // Ends the line; the last state stays on the screen.
  void End();
  double PerSecond() const;
  std::chrono::duration<double> Took() const;

 private:
  void Write(bool last);

  mutable std::mutex mutex_;
  std::FILE* out_;
  bool terminal_ = false;
  uint64_t had_, done_, total_;
  std::chrono::steady_clock::time_point begun_, written_;
};

}  // namespace assay::client
