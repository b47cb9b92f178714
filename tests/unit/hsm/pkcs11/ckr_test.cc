#include "hsm/pkcs11/ckr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::pkcs11 {
namespace {

TEST(Ckr, NamesWhatTheStandardNames) {
  EXPECT_EQ(CkrName(CKR_OK), "CKR_OK");
  EXPECT_EQ(CkrName(CKR_DEVICE_REMOVED), "CKR_DEVICE_REMOVED");
  EXPECT_EQ(CkrName(CKR_PIN_LOCKED), "CKR_PIN_LOCKED");
  EXPECT_EQ(CkrName(CKR_FUNCTION_REJECTED), "CKR_FUNCTION_REJECTED");
  EXPECT_EQ(CkrName(CKR_VENDOR_DEFINED + 7), "CKR_VENDOR_DEFINED");
  EXPECT_EQ(CkrName(0x7777), "CKR_UNKNOWN");
}

TEST(Ckr, FindsEveryRowByItsValue) {
  // A table out of order would lose rows to the binary search.
  for (CK_RV rv = 0; rv <= CKR_FUNCTION_REJECTED; ++rv) {
    if (CkrName(rv) == "CKR_UNKNOWN") continue;
    EXPECT_NE(ClassName(ClassOf(rv)), "") << rv;
  }
  for (const CK_RV rv : {CKR_HOST_MEMORY, CKR_ACTION_PROHIBITED, CKR_WRAPPED_KEY_LEN_RANGE,
                         CKR_BUFFER_TOO_SMALL, CKR_PUBLIC_KEY_INVALID}) {
    EXPECT_NE(CkrName(rv), "CKR_UNKNOWN") << rv;
  }
}

TEST(Ckr, TellsWhichCureFits) {
  EXPECT_EQ(ClassOf(CKR_SESSION_HANDLE_INVALID), CkrClass::kSession);
  EXPECT_EQ(ClassOf(CKR_USER_NOT_LOGGED_IN), CkrClass::kLogin);
  EXPECT_EQ(ClassOf(CKR_OBJECT_HANDLE_INVALID), CkrClass::kObject);
  EXPECT_EQ(ClassOf(CKR_TOKEN_NOT_PRESENT), CkrClass::kDevice);
  EXPECT_EQ(ClassOf(CKR_CRYPTOKI_NOT_INITIALIZED), CkrClass::kDevice);
  EXPECT_EQ(ClassOf(CKR_DEVICE_ERROR), CkrClass::kTransient);
  EXPECT_EQ(ClassOf(CKR_SESSION_COUNT), CkrClass::kBusy);
  EXPECT_EQ(ClassOf(CKR_PIN_INCORRECT), CkrClass::kPin);
  EXPECT_EQ(ClassOf(CKR_VENDOR_DEFINED + 1), CkrClass::kTransient);
  EXPECT_EQ(ClassOf(CKR_ARGUMENTS_BAD), CkrClass::kFatal);
}

TEST(Ckr, RefusesWithTheFaultsOwnName) {
  const absl::Status status = RefuseCkr("C_Sign", CKR_DEVICE_REMOVED);
  EXPECT_TRUE(HasReason(status, Reason::HSM_UNAVAILABLE));
  EXPECT_EQ(status.message(), "C_Sign: CKR_DEVICE_REMOVED (0x32)");
  EXPECT_TRUE(HasReason(RefuseCkr("C_Login", CKR_PIN_LOCKED), Reason::HSM_PIN_LOCKED));
  EXPECT_TRUE(HasReason(RefuseCkr("C_Sign", CKR_KEY_TYPE_INCONSISTENT), Reason::HSM_KEY_UNFIT));
}

}  // namespace
}  // namespace assay::pkcs11
