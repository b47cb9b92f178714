// Lets many threads into a module, and all of them out again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace assay::pkcs11 {

// Cryptoki's Finalize may not run while another thread is in any call. A std::shared_mutex would
// let a stream of readers starve the one who has to finalize, and could not give up on a call that
// hangs.
class CallGate {
 public:
  // Waits while the gate is shut; each Enter is paired with a Leave on the same thread.
  void Enter();
  void Leave();
  // Shuts the gate and waits for those inside; false, and open again, when one stays longer than
  // `wait`. One caller at a time.
  bool ShutAndDrain(std::chrono::milliseconds wait);
  void Open();

  class Pass {
   public:
    explicit Pass(CallGate& gate) : gate_(gate) { gate_.Enter(); }
    ~Pass() { gate_.Leave(); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    CallGate& gate_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool shut_ = false;
};

}  // namespace assay::pkcs11
