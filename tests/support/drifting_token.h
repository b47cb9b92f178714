// A token whose keys can be made to drift, as no well-behaved token's can.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hsm/forwarding_token.h"

namespace assay::test_support {

// Thread-safe. Tells of keys what it is told to; all else is the inner token's.
class DriftingToken final : public hsm::ForwardingToken {
 public:
  using Change = std::function<void(hsm::KeyDescription&)>;

  using ForwardingToken::ForwardingToken;

  // Whatever is read of that key passes through `change`; an empty one ends it.
  void Drift(const std::string& label, Change change) {
    const std::lock_guard lock(mutex_);
    changes_[label] = std::move(change);
  }

  absl::StatusOr<hsm::KeyDescription> GenerateKey(std::string_view label,
                                                  hsm::KeyPurpose purpose) override {
    return Bent(ForwardingToken::GenerateKey(label, purpose));
  }
  absl::StatusOr<hsm::KeyDescription> FindKey(std::string_view label) override {
    return Bent(ForwardingToken::FindKey(label));
  }

 private:
  absl::StatusOr<hsm::KeyDescription> Bent(absl::StatusOr<hsm::KeyDescription> key) {
    if (!key.ok()) return key;
    const std::lock_guard lock(mutex_);
    const auto change = changes_.find(key->label);
    if (change != changes_.end() && change->second) change->second(*key);
    return key;
  }

  std::mutex mutex_;
  std::map<std::string, Change> changes_;
};

}  // namespace assay::test_support
