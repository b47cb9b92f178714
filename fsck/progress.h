// A bar on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

namespace assay::fsck {

// Thread-safe. Nothing is written where `out` is null.
class Progress {
 public:
  Progress(std::FILE* out, std::string what, uint64_t total);
  void Add(uint64_t more);
  void End();

 private:
  void Write(bool last);

  std::mutex mutex_;
  std::FILE* const out_;
  const std::string what_;
  const uint64_t total_;
  bool terminal_ = false;
  uint64_t done_ = 0;
  std::chrono::steady_clock::time_point begun_, written_;
};

}  // namespace assay::fsck
