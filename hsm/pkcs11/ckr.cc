#include "hsm/pkcs11/ckr.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace assay::pkcs11 {
namespace {

struct Row {
  CK_RV rv;
  std::string_view name;
  CkrClass c;
};

// By rising value.
constexpr Row kRows[] = {
    {CKR_OK, "CKR_OK", CkrClass::kOk},
    {CKR_CANCEL, "CKR_CANCEL", CkrClass::kSession},
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", CkrClass::kTransient},
    {CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", CkrClass::kDevice},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", CkrClass::kTransient},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", CkrClass::kTransient},
    {CKR_ARGUMENTS_BAD, "CKR_ARGUMENTS_BAD", CkrClass::kFatal},
    {CKR_NO_EVENT, "CKR_NO_EVENT", CkrClass::kFatal},
    {CKR_NEED_TO_CREATE_THREADS, "CKR_NEED_TO_CREATE_THREADS", CkrClass::kFatal},
    {CKR_CANT_LOCK, "CKR_CANT_LOCK", CkrClass::kDevice},
    {CKR_ATTRIBUTE_READ_ONLY, "CKR_ATTRIBUTE_READ_ONLY", CkrClass::kKey},
    {CKR_ATTRIBUTE_SENSITIVE, "CKR_ATTRIBUTE_SENSITIVE", CkrClass::kKey},
    {CKR_ATTRIBUTE_TYPE_INVALID, "CKR_ATTRIBUTE_TYPE_INVALID", CkrClass::kKey},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", CkrClass::kKey},
    {CKR_ACTION_PROHIBITED, "CKR_ACTION_PROHIBITED", CkrClass::kKey},
    {CKR_DATA_INVALID, "CKR_DATA_INVALID", CkrClass::kInput},
    {CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE", CkrClass::kInput},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", CkrClass::kTransient},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", CkrClass::kTransient},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", CkrClass::kDevice},
    {CKR_ENCRYPTED_DATA_INVALID, "CKR_ENCRYPTED_DATA_INVALID", CkrClass::kInput},
    {CKR_ENCRYPTED_DATA_LEN_RANGE, "CKR_ENCRYPTED_DATA_LEN_RANGE", CkrClass::kInput},
    {CKR_FUNCTION_CANCELED, "CKR_FUNCTION_CANCELED", CkrClass::kSession},
    {CKR_FUNCTION_NOT_PARALLEL, "CKR_FUNCTION_NOT_PARALLEL", CkrClass::kFatal},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", CkrClass::kUnsupported},
    {CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", CkrClass::kObject},
    {CKR_KEY_SIZE_RANGE, "CKR_KEY_SIZE_RANGE", CkrClass::kKey},
    {CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT", CkrClass::kKey},
    {CKR_KEY_NOT_NEEDED, "CKR_KEY_NOT_NEEDED", CkrClass::kKey},
    {CKR_KEY_CHANGED, "CKR_KEY_CHANGED", CkrClass::kObject},
    {CKR_KEY_NEEDED, "CKR_KEY_NEEDED", CkrClass::kObject},
    {CKR_KEY_INDIGESTIBLE, "CKR_KEY_INDIGESTIBLE", CkrClass::kKey},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", CkrClass::kKey},
    {CKR_KEY_NOT_WRAPPABLE, "CKR_KEY_NOT_WRAPPABLE", CkrClass::kFatal},
    {CKR_KEY_UNEXTRACTABLE, "CKR_KEY_UNEXTRACTABLE", CkrClass::kKey},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", CkrClass::kUnsupported},
    {CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID", CkrClass::kUnsupported},
    {CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", CkrClass::kObject},
    {CKR_OPERATION_ACTIVE, "CKR_OPERATION_ACTIVE", CkrClass::kSession},
    {CKR_OPERATION_NOT_INITIALIZED, "CKR_OPERATION_NOT_INITIALIZED", CkrClass::kSession},
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", CkrClass::kPin},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", CkrClass::kPin},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", CkrClass::kPin},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", CkrClass::kPinLocked},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", CkrClass::kPinLocked},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", CkrClass::kSession},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", CkrClass::kBusy},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", CkrClass::kSession},
    {CKR_SESSION_PARALLEL_NOT_SUPPORTED, "CKR_SESSION_PARALLEL_NOT_SUPPORTED", CkrClass::kFatal},
    {CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY", CkrClass::kUnsupported},
    {CKR_SESSION_EXISTS, "CKR_SESSION_EXISTS", CkrClass::kFatal},
    {CKR_SESSION_READ_ONLY_EXISTS, "CKR_SESSION_READ_ONLY_EXISTS", CkrClass::kFatal},
    {CKR_SESSION_READ_WRITE_SO_EXISTS, "CKR_SESSION_READ_WRITE_SO_EXISTS", CkrClass::kFatal},
    {CKR_SIGNATURE_INVALID, "CKR_SIGNATURE_INVALID", CkrClass::kInput},
    {CKR_SIGNATURE_LEN_RANGE, "CKR_SIGNATURE_LEN_RANGE", CkrClass::kInput},
    {CKR_TEMPLATE_INCOMPLETE, "CKR_TEMPLATE_INCOMPLETE", CkrClass::kKey},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", CkrClass::kKey},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", CkrClass::kDevice},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", CkrClass::kDevice},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", CkrClass::kUnsupported},
    {CKR_UNWRAPPING_KEY_SIZE_RANGE, "CKR_UNWRAPPING_KEY_SIZE_RANGE", CkrClass::kFatal},
    {CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT",
     CkrClass::kFatal},
    {CKR_USER_ALREADY_LOGGED_IN, "CKR_USER_ALREADY_LOGGED_IN", CkrClass::kFatal},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", CkrClass::kLogin},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", CkrClass::kPin},
    {CKR_USER_TYPE_INVALID, "CKR_USER_TYPE_INVALID", CkrClass::kFatal},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", CkrClass::kFatal},
    {CKR_USER_TOO_MANY_TYPES, "CKR_USER_TOO_MANY_TYPES", CkrClass::kFatal},
    {CKR_WRAPPED_KEY_INVALID, "CKR_WRAPPED_KEY_INVALID", CkrClass::kFatal},
    {CKR_WRAPPED_KEY_LEN_RANGE, "CKR_WRAPPED_KEY_LEN_RANGE", CkrClass::kFatal},
    {CKR_WRAPPING_KEY_HANDLE_INVALID, "CKR_WRAPPING_KEY_HANDLE_INVALID", CkrClass::kFatal},
    {CKR_WRAPPING_KEY_SIZE_RANGE, "CKR_WRAPPING_KEY_SIZE_RANGE", CkrClass::kFatal},
    {CKR_WRAPPING_KEY_TYPE_INCONSISTENT, "CKR_WRAPPING_KEY_TYPE_INCONSISTENT", CkrClass::kFatal},
    {CKR_RANDOM_SEED_NOT_SUPPORTED, "CKR_RANDOM_SEED_NOT_SUPPORTED", CkrClass::kFatal},
    {CKR_RANDOM_NO_RNG, "CKR_RANDOM_NO_RNG", CkrClass::kTransient},
    {CKR_DOMAIN_PARAMS_INVALID, "CKR_DOMAIN_PARAMS_INVALID", CkrClass::kKey},
    {CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", CkrClass::kUnsupported},
    {CKR_BUFFER_TOO_SMALL, "CKR_BUFFER_TOO_SMALL", CkrClass::kFatal},
    {CKR_SAVED_STATE_INVALID, "CKR_SAVED_STATE_INVALID", CkrClass::kFatal},
    {CKR_INFORMATION_SENSITIVE, "CKR_INFORMATION_SENSITIVE", CkrClass::kFatal},
    {CKR_STATE_UNSAVEABLE, "CKR_STATE_UNSAVEABLE", CkrClass::kFatal},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", CkrClass::kDevice},
    {CKR_CRYPTOKI_ALREADY_INITIALIZED, "CKR_CRYPTOKI_ALREADY_INITIALIZED", CkrClass::kFatal},
    {CKR_MUTEX_BAD, "CKR_MUTEX_BAD", CkrClass::kDevice},
    {CKR_MUTEX_NOT_LOCKED, "CKR_MUTEX_NOT_LOCKED", CkrClass::kDevice},
    {CKR_NEW_PIN_MODE, "CKR_NEW_PIN_MODE", CkrClass::kFatal},
    {CKR_NEXT_OTP, "CKR_NEXT_OTP", CkrClass::kFatal},
    {CKR_EXCEEDED_MAX_ITERATIONS, "CKR_EXCEEDED_MAX_ITERATIONS", CkrClass::kFatal},
    {CKR_FIPS_SELF_TEST_FAILED, "CKR_FIPS_SELF_TEST_FAILED", CkrClass::kFatal},
    {CKR_LIBRARY_LOAD_FAILED, "CKR_LIBRARY_LOAD_FAILED", CkrClass::kDevice},
    {CKR_PIN_TOO_WEAK, "CKR_PIN_TOO_WEAK", CkrClass::kPin},
    {CKR_PUBLIC_KEY_INVALID, "CKR_PUBLIC_KEY_INVALID", CkrClass::kKey},
    {CKR_FUNCTION_REJECTED, "CKR_FUNCTION_REJECTED", CkrClass::kTransient},
};

const Row* RowOf(CK_RV rv) {
  const Row* row = std::lower_bound(std::begin(kRows), std::end(kRows), rv,
                                    [](const Row& left, CK_RV right) { return left.rv < right; });
  return row != std::end(kRows) && row->rv == rv ? row : nullptr;
}

}  // namespace

CkrClass ClassOf(CK_RV rv) {
  if (const Row* row = RowOf(rv)) return row->c;
  // A vendor's own code: nothing is known of it, and once more on a fresh session does no harm.
  return rv >= CKR_VENDOR_DEFINED ? CkrClass::kTransient : CkrClass::kFatal;
}

std::string_view ClassName(CkrClass c) {
  switch (c) {
    case CkrClass::kOk:
      return "ok";
    case CkrClass::kSession:
      return "session";
    case CkrClass::kLogin:
      return "login";
    case CkrClass::kObject:
      return "object";
    case CkrClass::kTransient:
      return "transient";
    case CkrClass::kDevice:
      return "device";
    case CkrClass::kBusy:
      return "busy";
    case CkrClass::kPin:
      return "pin";
    case CkrClass::kPinLocked:
      return "pin_locked";
    case CkrClass::kKey:
      return "key";
    case CkrClass::kUnsupported:
      return "unsupported";
    case CkrClass::kInput:
      return "input";
    case CkrClass::kFatal:
      return "fatal";
  }
  return "fatal";
}

std::string_view CkrName(CK_RV rv) {
  if (const Row* row = RowOf(rv)) return row->name;
  return rv >= CKR_VENDOR_DEFINED ? "CKR_VENDOR_DEFINED" : "CKR_UNKNOWN";
}

Reason ReasonFor(CkrClass c) {
  switch (c) {
    case CkrClass::kPin:
      return Reason::HSM_PIN_REJECTED;
    case CkrClass::kPinLocked:
      return Reason::HSM_PIN_LOCKED;
    case CkrClass::kKey:
    case CkrClass::kUnsupported:
      return Reason::HSM_KEY_UNFIT;
    case CkrClass::kInput:
      return Reason::HSM_DATA_REJECTED;
    default:
      return Reason::HSM_UNAVAILABLE;
  }
}

absl::Status RefuseCkr(absl::string_view call, CK_RV rv) {
  const std::string_view name = CkrName(rv);
  return Refuse(ReasonFor(ClassOf(rv)),
                absl::StrCat(call, ": ", absl::string_view(name.data(), name.size()), " (0x",
                             absl::Hex(rv), ")"));
}

}  // namespace assay::pkcs11
