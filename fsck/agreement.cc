#include "fsck/agreement.h"

#include <cstring>

namespace assay::fsck {

Sha256Digest DigestOf(const IssueRecord& record) {
  std::string joined;
  for (const std::string& field : record) {
    // Lengths keep neighbours apart.
    joined += std::to_string(field.size());
    joined += ':';
    joined += field;
  }
  return Sha256(AsBytes(joined));
}

size_t Tally::BucketOf(std::string_view name) {
  // FNV-1a: spread, not secrecy, is wanted.
  uint64_t hash = 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return (hash >> 20) % kBuckets;
}

void Tally::Add(std::string_view name, const Sha256Digest& digest) {
  Sum& sum = sums_[BucketOf(name)];
  for (size_t i = 0; i < 4; ++i) {
    uint64_t part = 0;
    std::memcpy(&part, digest.data() + 8 * i, 8);
    sum.digests[i] += part;
  }
  ++sum.count;
  ++count_;
}

void Tally::Merge(const Tally& other) {
  for (size_t b = 0; b < kBuckets; ++b) {
    for (size_t i = 0; i < 4; ++i) sums_[b].digests[i] += other.sums_[b].digests[i];
    sums_[b].count += other.sums_[b].count;
  }
  count_ += other.count_;
}

std::vector<bool> Tally::Differing(const Tally& other) const {
  std::vector<bool> differing(kBuckets);
  for (size_t b = 0; b < kBuckets; ++b) differing[b] = !(sums_[b] == other.sums_[b]);
  return differing;
}

}  // namespace assay::fsck
