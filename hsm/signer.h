// Who signs for the pipeline without making it wait: the pool over the token, or a simulation's.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "hsm/token.h"

namespace assay::hsm {

// Thread-safe. A caller is always answered exactly once: by the signature, by the token's refusal,
// or at its deadline with HSM_TIMEOUT.
class Signer {
 public:
  using Done = std::function<void(absl::StatusOr<RawSignature>)>;

  virtual ~Signer() = default;
  // `done` may run on another thread, or on the caller's when refused at once; it must not block or
  // throw.
  virtual void Sign(std::string label, const Sha256Digest& digest, Deadline deadline,
                    Done done) = 0;
};

}  // namespace assay::hsm
