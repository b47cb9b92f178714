// Whether two sets of millions are the same, in constant memory: what the database says of each
// device against what the ledger says of it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace assay::fsck {

// What an issue's ledger entry tells, in the order of kIssueFields.
inline constexpr std::array<std::string_view, 13> kIssueFields = {
    "device",      "ticket",        "lot",        "product",    "factory",           "line",
    "actor",       "serial_number", "dac_serial", "dac_sha256", "public_key_sha256", "pai",
    "image_sha256"};
using IssueRecord = std::array<std::string, kIssueFields.size()>;
Sha256Digest DigestOf(const IssueRecord& record);

// Each element goes into one of kBuckets by its name, where digests are added up: equal sums mean
// equal sets, whatever the order. Not thread-safe; one a thread, merged at the end.
class Tally {
 public:
  static constexpr size_t kBuckets = 4096;
  static size_t BucketOf(std::string_view name);

  void Add(std::string_view name, const Sha256Digest& digest);
  void Merge(const Tally& other);
  // Buckets in which the two differ.
  std::vector<bool> Differing(const Tally& other) const;
  uint64_t count() const { return count_; }

 private:
  struct Sum {
    std::array<uint64_t, 4> digests{};  // mod 2^64 each
    uint64_t count = 0;
    bool operator==(const Sum&) const = default;
  };
  std::vector<Sum> sums_ = std::vector<Sum>(kBuckets);
  uint64_t count_ = 0;
};

}  // namespace assay::fsck
