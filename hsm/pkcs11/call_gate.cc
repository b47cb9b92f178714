#include "hsm/pkcs11/call_gate.h"

namespace assay::pkcs11 {

void CallGate::Enter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !shut_; });
  ++inside_;
}

void CallGate::Leave() {
  std::lock_guard lock(mutex_);
  if (--inside_ == 0 && shut_) changed_.notify_all();
}

bool CallGate::ShutAndDrain(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  shut_ = true;
  if (changed_.wait_for(lock, wait, [this] { return inside_ == 0; })) return true;
  shut_ = false;
  changed_.notify_all();
  return false;
}

void CallGate::Open() {
  std::lock_guard lock(mutex_);
  shut_ = false;
  changed_.notify_all();
}

}  // namespace assay::pkcs11
