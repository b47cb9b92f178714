// What a ceremony under way has begun, so that a killed one is taken up and no key is taken for its
// own that was there before.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"

namespace assay::ceremony {

// A file of one JSON object a line, beside the transcript. While one object lives, a second Open of
// the same file is refused. Not thread-safe.
class Journal {
 public:
  // Begins one, or takes up one of the very same plan. FIELDS_CONTRADICT where it is of another
  // plan (the file was changed half way) or another program holds it.
  static absl::StatusOr<Journal> Open(const std::string& path, const Sha256Digest& plan,
                                      absl::Time now);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  // Whether the making of that key was begun, by this run or one before.
  bool Began(std::string_view label) const { return begun_.contains(label); }
  // On the disk when it returns.
  absl::Status Begin(std::string_view label);
  absl::Time started_at() const { return started_at_; }
  void Remove();

 private:
  Journal(std::string path, int file) : path_(std::move(path)), file_(file) {}
  absl::Status Read(const Sha256Digest& plan, absl::Time now);
  absl::Status Append(const std::string& line);

  std::string path_;
  int file_;
  absl::Time started_at_;
  std::set<std::string, std::less<>> begun_;
};

// What a journal says without holding it; empty where there is none.
std::set<std::string, std::less<>> BegunKeys(const std::string& path, const Sha256Digest& plan);

}  // namespace assay::ceremony
