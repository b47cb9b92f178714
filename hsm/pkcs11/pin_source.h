// Where the PIN comes from, and the memory of the PINs that were refused.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::pkcs11 {

// Thread-safe. A refused PIN is never given out again in this process, so a wrong PIN costs the
// token one try, however many threads and healings come by.
class PinSource {
 public:
  // A file (read anew each time) or, with an empty name, the PIN itself.
  PinSource(std::string file, SecretBytes pin) : file_(std::move(file)), pin_(std::move(pin)) {}

  // FIELD_REQUIRED when absent or empty, FIELD_NOT_ALLOWED when others than the owner may read the
  // file.
  absl::Status Check() const;
  // The PIN; the same refusals, or HSM_PIN_REJECTED / HSM_PIN_LOCKED when this very PIN was refused
  // before.
  absl::StatusOr<SecretBytes> Take();
  // Whether `pin` may be offered to the module as initialized in `generation`: not where another
  // one was offered to it in that generation. Remembers an offer it calls fair.
  bool IsFair(const SecretBytes& pin, uint64_t generation);
  // `pin` was refused, for being wrong or for being locked.
  void Hold(const SecretBytes& pin, bool locked);

 private:
  absl::StatusOr<SecretBytes> Read() const;

  const std::string file_;
  const SecretBytes pin_;
  std::mutex mutex_;
  std::set<Sha256Digest> wrong_, locked_;
  std::optional<Sha256Digest> offered_;  // last, and in which generation of the module
  uint64_t offered_in_ = 0;
};

}  // namespace assay::pkcs11
