// What a Cryptoki return value means to us: its name, its class, the refusal it becomes.
#pragma once

#include <p11-kit/pkcs11.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/refusal.h"

namespace assay::pkcs11 {

enum class CkrClass {
  kOk,
  kSession,      // this session is gone or busy with another operation: open another
  kLogin,        // nobody is logged in: log in
  kObject,       // the handle is void: find the object anew
  kTransient,    // device error, throttling, out of memory: once more on another session
  kDevice,       // token, slot or module gone: Finalize and Initialize
  kBusy,         // no more sessions: make do with those that are open
  kPin,          // the PIN was refused: hold
  kPinLocked,    // the PIN is locked or expired: hold
  kKey,          // the key does not do this
  kUnsupported,  // the token does not do this
  kInput,        // the bytes given are not what this key made
  kFatal,        // a fault in our own calls, or one without a cure
};

CkrClass ClassOf(CK_RV rv);
// "session", "login", "object", "transient", "device", "busy", "pin", ...: for metrics.
std::string_view ClassName(CkrClass c);
// "CKR_DEVICE_REMOVED"; "CKR_VENDOR_DEFINED" and "CKR_UNKNOWN" for what the standard does not name.
std::string_view CkrName(CK_RV rv);
// The reason a caller is told when there is no cure.
Reason ReasonFor(CkrClass c);
// "C_Sign: CKR_DEVICE_REMOVED (0x32)" with the reason of its class.
absl::Status RefuseCkr(absl::string_view call, CK_RV rv);

}  // namespace assay::pkcs11
