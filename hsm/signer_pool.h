// Signer threads between the pipeline and a token that may be slow, hang or go away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "hsm/signer.h"
#include "hsm/token.h"

namespace assay::hsm {

struct SignerPoolOptions {
  int threads = 1;              // SoftHSM gets dearer with more; a network HSM wants many
  int queue_limit = 4096;       // more waiting work is refused with OVERLOADED
  int stuck_after_ms = 2000;    // a call that takes longer counts as hung: its thread is replaced
  int max_stuck_threads = 8;    // hung calls; with so many the pool refuses until one returns
  int breaker_failures = 8;     // consecutive failures that open the circuit breaker
  int breaker_probe_ms = 1000;  // an open breaker lets one probe through this often
  // Told each refusal of the token and each call that hangs (HSM_TIMEOUT); must neither block nor
  // call the pool.
  std::function<void(const absl::Status&)> on_failure{};
};

struct SignerPoolCounters {
  uint64_t signed_total = 0, failed_total = 0, timed_out_total = 0, refused_total = 0;
  int queued = 0, busy = 0, stuck = 0;
  bool breaker_open = false;
};

// Thread-safe. A caller is always answered exactly once: by the signature, by the token's refusal,
// or at its deadline with HSM_TIMEOUT; the thread that hangs is counted, left behind and replaced.
// Order is FIFO. The breaker opens after `breaker_failures` calls in a row that failed for the
// device's sake (a missing or unfit key is the key's fault); while open, callers get
// HSM_UNAVAILABLE at once, with the time of the next probe.
class SignerPool final : public Signer {
 public:
  SignerPool(std::shared_ptr<Token> token, SignerPoolOptions options);
  // Answers what waits with DRAINING; waits for calls under way until they are stuck, and leaves
  // those behind (their threads keep the token alive until they return).
  ~SignerPool() override;

  // `done` runs on one of the pool's threads (or the caller's, when refused at once); it must not
  // block or throw.
  void Sign(std::string label, const Sha256Digest& digest, Deadline deadline, Done done) override;
  // The same, waiting.
  absl::StatusOr<RawSignature> SignAndWait(std::string label, const Sha256Digest& digest,
                                           Deadline deadline);
  SignerPoolCounters Counters() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace assay::hsm
