#include "hsm/pkcs11/key_shelf.h"

#include <utility>

#include "base/refusal.h"
#include "hsm/policy.h"

namespace assay::pkcs11 {

void KeyShelf::Forget(std::string_view label) {
  std::lock_guard lock(mutex_);
  if (const auto kept = kept_.find(label); kept != kept_.end()) kept_.erase(kept);
}

void KeyShelf::Unlearn(std::string_view label) {
  Forget(label);
  std::lock_guard lock(mutex_);
  known_.erase(std::string(label));
  first_met_.erase(std::string(label));
}

Step KeyShelf::Lookup(const Session& session, std::string_view label, KeyObject& key) {
  {
    std::lock_guard lock(mutex_);
    const auto kept = kept_.find(label);
    if (kept != kept_.end() && kept->second.epoch == session.epoch) {
      key = kept->second.key;
      return Step::Done();
    }
  }
  const Step step = FindKeyObject(session, label, key);
  std::lock_guard lock(mutex_);
  if (step.ok()) {
    const auto first = first_met_.try_emplace(std::string(label), key.description).first;
    const std::string_view drifted = hsm::DriftedAttribute(first->second, key.description);
    if (!drifted.empty()) {
      return Step::Refused(RefuseField(Reason::HSM_KEY_UNFIT, {drifted.data(), drifted.size()},
                                       std::string(label),
                                       "must stay as it was when the key was first met"));
    }
    kept_[std::string(label)] = {session.epoch, key};
    known_.insert(std::string(label));
    return step;
  }
  // A key that was there and is not: either destroyed, or the session sees an empty token. Try
  // the cures once, and believe the answer the next time.
  if (HasReason(step.refusal, Reason::HSM_KEY_MISSING) && known_.erase(std::string(label)) > 0) {
    return Step::Fault("C_FindObjects", CKR_KEY_HANDLE_INVALID);
  }
  return step;
}

Step KeyShelf::Lookup(const Session& session, std::string_view label, KeyObject& key,
                      hsm::KeyPurpose purpose) {
  if (Step step = Lookup(session, label, key); !step.ok()) return step;
  if (absl::Status fit = hsm::CheckKeyPurpose(key.description, purpose); !fit.ok()) {
    return Step::Refused(std::move(fit));
  }
  return Step::Done();
}

}  // namespace assay::pkcs11
