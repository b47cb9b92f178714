#include "fsck/finding.h"

namespace assay::fsck {

std::string_view FaultName(Fault fault) {
  switch (fault) {
#define ASSAY_FAULT_NAME(id, name, cure) \
  case Fault::id:                        \
    return name;
    ASSAY_FAULTS(ASSAY_FAULT_NAME)
#undef ASSAY_FAULT_NAME
  }
  return "";
}

std::string_view CureOf(Fault fault) {
  switch (fault) {
#define ASSAY_FAULT_CURE(id, name, cure) \
  case Fault::id:                        \
    return cure;
    ASSAY_FAULTS(ASSAY_FAULT_CURE)
#undef ASSAY_FAULT_CURE
  }
  return "";
}

void Findings::Add(Fault fault, std::string subject, std::string what) {
  const std::lock_guard lock(mutex_);
  ++counts_[fault];
  std::vector<Finding>& kept = kept_[fault];
  if (kept.size() < kMost) kept.push_back({fault, std::move(subject), std::move(what)});
}

void Findings::Note(std::string text) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(std::move(text));
}

uint64_t Findings::Count() const {
  const std::lock_guard lock(mutex_);
  uint64_t count = 0;
  for (const auto& [fault, one] : counts_) count += one;
  return count;
}

uint64_t Findings::Count(Fault fault) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(fault);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<Finding> Findings::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Finding> all;
  for (const auto& [fault, kept] : kept_) all.insert(all.end(), kept.begin(), kept.end());
  return all;
}

std::vector<std::string> Findings::Notes() const {
  const std::lock_guard lock(mutex_);
  return notes_;
}

}  // namespace assay::fsck
