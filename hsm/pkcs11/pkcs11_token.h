// A token behind any vendor's PKCS#11 module.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "hsm/token.h"

namespace assay::pkcs11 {

// One fault the module reported, for a metric and a log line.
struct Pkcs11Fault {
  std::string_view call;         // the Cryptoki function, e.g. "C_Sign"
  std::string_view ckr;          // "CKR_DEVICE_REMOVED"
  std::string_view fault_class;  // "session", "login", "object", "device", "pin", ... (ckr.h)
};

struct Pkcs11Options {
  std::string module_path;
  // At least one of the two; both must fit where both are given.
  std::string token_label;
  std::string token_serial;
  // A file only its owner may read (mode 0600 or 0400); one line, the line's end is not part of the
  // PIN. Or `pin` itself, used when pin_file is empty.
  std::string pin_file;
  SecretBytes pin;
  // Most sessions open at one time, and so most calls under way; 1 for tokens that bear no more
  // (tpm2-pkcs11). Leave room for calls that hang: signer threads + stuck threads + one for the
  // health check.
  int sessions = 16;
  std::chrono::milliseconds session_wait{2000};  // for a free session, then HSM_UNAVAILABLE
  // Finalize and Initialize need all calls to be out of the module; they are waited for this long.
  std::chrono::milliseconds drain_wait{1000};
  std::chrono::milliseconds reinitialize_interval{250};  // not oftener than this
  // Called for each fault, on the thread that met it; must not block or call the token. Whoever
  // sets it does the logging; without it faults are logged here.
  std::function<void(const Pkcs11Fault&)> on_fault;
};

// Opens nothing that needs the device: a token that is away now is found by the first call after it
// came. Fails only for what a restart cannot heal: INVALID options, a module that cannot be loaded
// (HSM_UNAVAILABLE), a PIN file that is missing or that others may read (FIELD_NOT_ALLOWED,
// FIELD_REQUIRED). Use Describe() on the result to insist on a token that is there and lets us in.
//
// Healing, inside the call that notices: sessions closed, logged out, object handles void: open,
// log in and find anew, then once more; device gone or module not initialized: Finalize and
// Initialize (module-wide, with no thread inside), then once more. A PIN is tried once: after
// CKR_PIN_INCORRECT no login is tried until the PIN file's content changes or the process restarts
// (HSM_PIN_REJECTED), nor when the token says that one try is left.
absl::StatusOr<std::shared_ptr<hsm::Token>> OpenPkcs11Token(Pkcs11Options options);

}  // namespace assay::pkcs11
