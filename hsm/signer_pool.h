// Signer threads between the pipeline and a token that may be slow, hang or go away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "hsm/token.h"

namespace assay::hsm {

struct SignerPoolOptions {
  int threads = 1;              // SoftHSM gets dearer with more; a network HSM wants many
  int queue_limit = 4096;       // more waiting work is refused with OVERLOADED
  int max_stuck_threads = 8;    // calls that hang past their deadline; beyond it the pool refuses
  int breaker_failures = 8;     // consecutive failures that open the circuit breaker
  int breaker_probe_ms = 1000;  // an open breaker lets one probe through this often
};

struct SignerPoolCounters {
  uint64_t signed_total = 0, failed_total = 0, timed_out_total = 0, refused_total = 0;
  int queued = 0, busy = 0, stuck = 0;
  bool breaker_open = false;
};

// Thread-safe. A caller is always answered exactly once: by the signature, by the token's refusal,
// or at its deadline with HSM_TIMEOUT; the thread that hangs is counted, left behind and replaced.
// Order is FIFO.
class SignerPool {
 public:
  using Done = std::function<void(absl::StatusOr<RawSignature>)>;

  SignerPool(std::shared_ptr<Token> token, SignerPoolOptions options);
  // Answers what waits with DRAINING; waits for calls under way unless they are stuck.
  ~SignerPool();

  // `done` runs on a signer thread (or the caller's, when refused at once); it must not block.
  void Sign(std::string label, const Sha256Digest& digest, Deadline deadline, Done done);
  // The same, waiting.
  absl::StatusOr<RawSignature> SignAndWait(std::string label, const Sha256Digest& digest,
                                           Deadline deadline);
  SignerPoolCounters Counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::hsm
