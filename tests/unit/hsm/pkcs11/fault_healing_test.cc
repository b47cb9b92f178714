// Faults no real token makes on demand, through a module that fails as told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/pkcs11/ckr.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "hsm/policy.h"
#include "hsm/signer_pool.h"
#include "tests/support/fault_list.h"
#include "tests/support/softhsm_fixture.h"

namespace assay::pkcs11 {
namespace {

using std::chrono::milliseconds;
using test_support::FaultList;
using test_support::SoftHsm;

class FaultHealing : public testing::Test {
 protected:
  void SetUp() override {
    if (!SoftHsm::Installed()) GTEST_SKIP() << "SKIPPED: SoftHSM2 is not installed";
    softhsm_.emplace();
    faults_.emplace(softhsm_->folder());
    options_ = softhsm_->Options();
    options_.module_path = FaultList::ModulePath(ASSAY_BINARY_DIR);
    options_.reinitialize_interval = milliseconds(0);
    options_.drain_wait = milliseconds(20);
    options_.session_wait = std::chrono::minutes(5);
  }
  void TearDown() override {
    if (faults_) faults_->Clear();
    token_.reset();
    faults_.reset();
    softhsm_.reset();
  }
  void OpenWithKey() {
    auto token = OpenPkcs11Token(std::move(options_));
    ASSERT_TRUE(token.ok()) << token.status();
    token_ = *token;
    const auto key = token_->GenerateKey("pai", hsm::KeyPurpose::kSigning);
    ASSERT_TRUE(key.ok()) << key.status();
    point_ = *key->public_point;
  }
  absl::Status Sign() {
    const auto signature = token_->Sign("pai", digest_);
    if (!signature.ok()) return signature.status();
    return hsm::VerifySignature(point_, digest_, *signature)
               ? absl::OkStatus()
               : absl::InternalError("the signature is wrong");
  }

  std::optional<SoftHsm> softhsm_;
  std::optional<FaultList> faults_;
  Pkcs11Options options_;
  std::shared_ptr<hsm::Token> token_;
  hsm::PublicPoint point_{};
  Sha256Digest digest_ = Sha256(AsBytes("tbs"));
};

TEST_F(FaultHealing, SignsThroughOneFaultOfEachCurableKind) {
  OpenWithKey();
  for (const CK_RV rv :
       {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN,
        CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID, CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY,
        CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
        CKR_CRYPTOKI_NOT_INITIALIZED, CKR_OPERATION_ACTIVE, CKR_VENDOR_DEFINED + 5}) {
    for (const char* call : {"C_Sign", "C_SignInit"}) {
      faults_->Use(std::string(call) + " 1 return " + std::to_string(rv));
      EXPECT_TRUE(Sign().ok()) << call << " " << CkrName(rv);
      EXPECT_EQ(faults_->Calls(call), 2u) << CkrName(rv);
    }
  }
}

TEST_F(FaultHealing, InitializesAnewOnlyWhereASessionDoesNotHelp) {
  OpenWithKey();
  faults_->Use("C_Sign 1 return " + std::to_string(CKR_SESSION_HANDLE_INVALID));
  ASSERT_TRUE(Sign().ok());
  EXPECT_EQ(faults_->Calls("C_Initialize"), 0u);
  faults_->Use("C_Sign 1 return " + std::to_string(CKR_FUNCTION_FAILED));
  ASSERT_TRUE(Sign().ok());
  EXPECT_EQ(faults_->Calls("C_Initialize"), 0u);
  faults_->Use("C_Sign 1 return " + std::to_string(CKR_DEVICE_REMOVED));
  ASSERT_TRUE(Sign().ok());
  EXPECT_GE(faults_->Calls("C_Initialize"), 1u);
  EXPECT_EQ(faults_->Calls("C_Login"), 1u);
}

TEST_F(FaultHealing, GivesUpOnAFaultThatStaysAndNamesIt) {
  OpenWithKey();
  for (const CK_RV rv : {CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED,
                         CKR_OBJECT_HANDLE_INVALID, CKR_ARGUMENTS_BAD}) {
    faults_->Use("C_Sign always return " + std::to_string(rv));
    const absl::Status status = Sign();
    EXPECT_TRUE(HasReason(status, Reason::HSM_UNAVAILABLE)) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::string(CkrName(rv))));
    EXPECT_LE(faults_->Calls("C_Sign"), 4u);
    faults_->Clear();
    EXPECT_TRUE(Sign().ok()) << Sign();
  }
}

TEST_F(FaultHealing, FindsEachKeyOnceAndNotForEachSignature) {
  OpenWithKey();
  ASSERT_TRUE(Sign().ok());
  faults_->Clear();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Sign().ok());
  EXPECT_EQ(faults_->Calls("C_Sign"), 5u);
  EXPECT_EQ(faults_->Calls("C_FindObjectsInit"), 0u);
  EXPECT_EQ(faults_->Calls("C_OpenSession"), 0u);
}

struct Attribute {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
};
constexpr Attribute kLivesAndCameFrom[] = {{CKA_PRIVATE, "CKA_PRIVATE"},
                                           {CKA_SENSITIVE, "CKA_SENSITIVE"},
                                           {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE"},
                                           {CKA_EXTRACTABLE, "CKA_EXTRACTABLE"},
                                           {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE"},
                                           {CKA_LOCAL, "CKA_LOCAL"},
                                           {CKA_SIGN, "CKA_SIGN"}};
constexpr Attribute kUsesThatAreOff[] = {{CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER"},
                                         {CKA_DECRYPT, "CKA_DECRYPT"},
                                         {CKA_UNWRAP, "CKA_UNWRAP"},
                                         {CKA_DERIVE, "CKA_DERIVE"},
                                         {CKA_MODIFIABLE, "CKA_MODIFIABLE"}};

TEST_F(FaultHealing, AKeyReadBackOtherwiseThanThePolicySaysIsRefusedNamingTheAttribute) {
  OpenWithKey();
  std::vector<Attribute> all(std::begin(kLivesAndCameFrom), std::end(kLivesAndCameFrom));
  all.insert(all.end(), std::begin(kUsesThatAreOff), std::end(kUsesThatAreOff));
  for (const Attribute& attribute : all) {
    faults_->Use("C_GetAttributeValue always flip " + std::to_string(attribute.type));
    const auto made = token_->GenerateKey("another", hsm::KeyPurpose::kSigning);
    ASSERT_TRUE(HasReason(made.status(), Reason::HSM_KEY_UNFIT)) << attribute.name;
    EXPECT_EQ(RefusalOf(made.status())->field, attribute.name);
    faults_->Clear();
    // Nothing of it stayed.
    EXPECT_TRUE(HasReason(token_->FindKey("another").status(), Reason::HSM_KEY_MISSING))
        << attribute.name;
  }
}

TEST_F(FaultHealing, WhatATokenDoesNotTellIsTheWorstForWhereAKeyLivesAndOffForAUse) {
  OpenWithKey();
  for (const Attribute& attribute : kLivesAndCameFrom) {
    faults_->Use("C_GetAttributeValue always untold " + std::to_string(attribute.type));
    const auto made = token_->GenerateKey("another", hsm::KeyPurpose::kSigning);
    ASSERT_TRUE(HasReason(made.status(), Reason::HSM_KEY_UNFIT)) << attribute.name;
    EXPECT_EQ(RefusalOf(made.status())->field, attribute.name);
    EXPECT_THAT(std::string(made.status().message()),
                testing::HasSubstr("the token does not tell it"));
  }
  for (const Attribute& attribute : kUsesThatAreOff) {
    faults_->Use("C_GetAttributeValue always untold " + std::to_string(attribute.type));
    const auto made = token_->GenerateKey(attribute.name, hsm::KeyPurpose::kSigning);
    ASSERT_TRUE(made.ok()) << made.status();
    if (attribute.type == CKA_MODIFIABLE) continue;  // a flag with a word of its own
    EXPECT_THAT(made->untold, testing::ElementsAre(attribute.name));
  }
}

TEST_F(FaultHealing, AKeyThatComesToRecoverSignaturesHasDrifted) {
  OpenWithKey();
  faults_->Use("C_GetAttributeValue always flip " + std::to_string(CKA_SIGN_RECOVER));
  const auto drifted = token_->FindKey("pai");
  ASSERT_TRUE(HasReason(drifted.status(), Reason::HSM_KEY_UNFIT)) << drifted.status();
  EXPECT_EQ(RefusalOf(drifted.status())->field, "CKA_SIGN_RECOVER");
}

TEST_F(FaultHealing, AKeyFromAFileIsWrappedInAndHandedOverOnlyWhereTheTokenCannotUnwrap) {
  OpenWithKey();
  const auto scalar = [](uint8_t last) {
    Bytes bytes(32);
    bytes[31] = last;
    return SecretBytes::CopyOf(bytes);
  };
  faults_->Clear();
  const auto wrapped = token_->ImportSigningKey("wrapped", scalar(2));
  ASSERT_TRUE(wrapped.ok()) << wrapped.status();
  EXPECT_TRUE(wrapped->wrapped);
  EXPECT_EQ(faults_->Calls("C_CreateObject"), 1u);  // the public half alone
  uint8_t last = 3;
  for (const char* cannot :
       {"C_UnwrapKey always return 0x54", "C_UnwrapKey 2+ return 0x70",
        "C_UnwrapKey always return 0x5", "C_GenerateKeyPair always return 0x70"}) {
    faults_->Use(cannot);
    const auto handed = token_->ImportSigningKey(cannot, scalar(last++));
    ASSERT_TRUE(handed.ok()) << cannot << ": " << handed.status();
    EXPECT_FALSE(handed->wrapped) << cannot;
    EXPECT_TRUE(hsm::CheckKeyPolicy(*handed, hsm::KeyOrigin::kImportAllowed).ok());
  }
  faults_->Use("C_UnwrapKey always return 0x54\nC_CreateObject always return 0x54");
  const auto neither = token_->ImportSigningKey("neither", scalar(last));
  EXPECT_TRUE(HasReason(neither.status(), Reason::HSM_KEY_UNFIT)) << neither.status();
  EXPECT_THAT(std::string(neither.status().message()), testing::HasSubstr("takes no keys in"));
  faults_->Use("C_UnwrapKey 1 return 0xB3");
  const auto healed = token_->ImportSigningKey("healed", scalar(last));
  ASSERT_TRUE(healed.ok()) << healed.status();
  EXPECT_TRUE(healed->wrapped);
}

TEST_F(FaultHealing, TellsWhatTheTokenLacks) {
  OpenWithKey();
  EXPECT_EQ(token_->Describe()->signing_lacks, "");
  EXPECT_EQ(token_->Describe()->wrapping_lacks, "");
  faults_->Use("C_GetMechanismInfo always return " + std::to_string(CKR_MECHANISM_INVALID));
  EXPECT_EQ(token_->Describe()->signing_lacks, "CKM_EC_KEY_PAIR_GEN");
  EXPECT_EQ(token_->Describe()->wrapping_lacks, "CKM_AES_KEY_GEN");
  // A token that cannot be asked lacks nothing as far as we know.
  faults_->Use("C_GetMechanismInfo always return " + std::to_string(CKR_FUNCTION_NOT_SUPPORTED));
  EXPECT_EQ(token_->Describe()->wrapping_lacks, "");
}

// Some modules remember the PIN that was (SoftHSM does): each new one is offered to a module that
// was initialized since, and once.
TEST_F(FaultHealing, OffersEachNewPinOnceToAModuleThatWasInitializedAnew) {
  softhsm_->WritePin("000000");
  auto token = OpenPkcs11Token(std::move(options_));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_TRUE(HasReason((*token)->Describe().status(), Reason::HSM_PIN_REJECTED));
  faults_->Clear();
  softhsm_->WritePin("000001");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(HasReason((*token)->Describe().status(), Reason::HSM_PIN_REJECTED));
  }
  EXPECT_EQ(faults_->Calls("C_Finalize"), 1u);
  EXPECT_EQ(faults_->Calls("C_Login"), 1u);
  faults_->Use("C_Initialize always return 0x5");
  softhsm_->WritePin(softhsm_->pin());
  const auto waits = (*token)->Describe();
  EXPECT_TRUE(HasReason(waits.status(), Reason::HSM_UNAVAILABLE)) << waits.status();
  EXPECT_EQ(faults_->Calls("C_Login"), 0u);
  faults_->Clear();
  EXPECT_TRUE((*token)->Describe().ok()) << (*token)->Describe().status();
  EXPECT_EQ(faults_->Calls("C_Login"), 1u);
}

TEST_F(FaultHealing, OffersAWrongPinOnceWhateverComesBy) {
  softhsm_->WritePin("000000");
  auto token = OpenPkcs11Token(std::move(options_));
  ASSERT_TRUE(token.ok()) << token.status();
  faults_->Clear();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(HasReason((*token)->Sign("pai", digest_).status(), Reason::HSM_PIN_REJECTED));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faults_->Calls("C_Login"), 1u);
}

TEST_F(FaultHealing, NamesALockedPinAndDoesNotKnockAgain) {
  OpenWithKey();
  faults_->Use("C_Login always return " + std::to_string(CKR_PIN_LOCKED) + "\nC_Sign 1 return " +
               std::to_string(CKR_DEVICE_REMOVED));
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(HasReason(Sign(), Reason::HSM_PIN_LOCKED)) << Sign();
  }
  EXPECT_EQ(faults_->Calls("C_Login"), 1u);
}

TEST_F(FaultHealing, MakesDoWithTheSessionsThereAre) {
  OpenWithKey();
  ASSERT_TRUE(Sign().ok());
  faults_->Use("C_OpenSession always return " + std::to_string(CKR_SESSION_COUNT) +
               "\nC_Sign always delay 1");
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 3; ++i) good += Sign().ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 9);
  EXPECT_LE(faults_->Calls("C_OpenSession"), 3u);
}

TEST_F(FaultHealing, NamesASessionLimitThatLeavesNone) {
  auto token = OpenPkcs11Token(std::move(options_));
  ASSERT_TRUE(token.ok());
  faults_->Use("C_OpenSession always return " + std::to_string(CKR_SESSION_COUNT));
  const absl::Status status = (*token)->Describe().status();
  EXPECT_TRUE(HasReason(status, Reason::HSM_UNAVAILABLE)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("CKR_SESSION_COUNT"));
}

TEST_F(FaultHealing, FreesTheCallerOfACallThatHangsAndSignsOnAnotherThread) {
  OpenWithKey();
  ASSERT_TRUE(Sign().ok());
  // Long enough that on a busy machine no good call counts as hung.
  hsm::SignerPool pool(token_, {.threads = 1, .stuck_after_ms = 500});
  faults_->Use("C_Sign 1 hang");
  const auto hung = pool.SignAndWait("pai", digest_, Deadline::In(milliseconds(10)));
  EXPECT_TRUE(HasReason(hung.status(), Reason::HSM_TIMEOUT)) << hung.status();
  while (pool.Counters().stuck != 1) std::this_thread::yield();
  const auto next = pool.SignAndWait("pai", digest_, Deadline::In(std::chrono::minutes(2)));
  EXPECT_TRUE(next.ok()) << next.status();
  faults_->Clear();
  while (pool.Counters().stuck != 0) std::this_thread::yield();
}

TEST_F(FaultHealing, DoesNotFinalizeUnderACallThatHangs) {
  OpenWithKey();
  ASSERT_TRUE(Sign().ok());
  faults_->Use("C_Sign 1 hang\nC_Sign 2 return " + std::to_string(CKR_DEVICE_REMOVED));
  absl::Status hung;
  std::thread stuck([&] { hung = Sign(); });
  while (faults_->Calls("C_Sign") < 1) std::this_thread::yield();
  const absl::Status refused = Sign();
  EXPECT_TRUE(HasReason(refused, Reason::HSM_UNAVAILABLE)) << refused;
  EXPECT_EQ(faults_->Calls("C_Finalize"), 0u);
  EXPECT_TRUE(Sign().ok()) << "a device that came back by itself is used again";
  faults_->Clear();
  stuck.join();
  EXPECT_TRUE(hung.ok()) << hung;
}

TEST_F(FaultHealing, CatchesAWrongSignatureInItsHealthCheck) {
  OpenWithKey();
  faults_->Use("C_Sign always garbage");
  EXPECT_TRUE(HasReason(token_->CheckHealth("pai"), Reason::HSM_BAD_SIGNATURE));
  // A key whose first signature is wrong is not handed out, nor left behind.
  const auto key = token_->GenerateKey("image", hsm::KeyPurpose::kSigning);
  EXPECT_TRUE(HasReason(key.status(), Reason::HSM_BAD_SIGNATURE)) << key.status();
  faults_->Clear();
  EXPECT_TRUE(token_->CheckHealth("pai").ok());
  EXPECT_TRUE(HasReason(token_->FindKey("image").status(), Reason::HSM_KEY_MISSING));
}

TEST_F(FaultHealing, NamesAKeyThatIsGoneTwiceThereOrDriftedAndSignsWhenItIsAsItWas) {
  OpenWithKey();
  ASSERT_TRUE(Sign().ok());
  const struct {
    const char* faults;
    Reason reason;
    const char* named;
  } cases[] = {
      {"C_SignInit 1 return 0x60\nC_FindObjects always empty", Reason::HSM_KEY_MISSING, "pai"},
      {"C_SignInit 1 return 0x60\nC_FindObjects always twice", Reason::HSM_KEY_UNFIT, "CKA_LABEL"},
      {"C_SignInit 1 return 0x60\nC_GetAttributeValue always extractable", Reason::HSM_KEY_UNFIT,
       "CKA_EXTRACTABLE"},
  };
  for (const auto& fault : cases) {
    faults_->Use(fault.faults);
    for (int i = 0; i < 3; ++i) {
      const absl::Status refused = Sign();
      EXPECT_TRUE(HasReason(refused, fault.reason)) << fault.faults << ": " << refused;
      EXPECT_THAT(std::string(refused.message()), testing::HasSubstr(fault.named));
    }
    faults_->Clear();
    EXPECT_TRUE(Sign().ok()) << fault.faults;
  }
}

TEST_F(FaultHealing, StartsWithAModuleThatDoesNotInitialize) {
  faults_->Use("C_Initialize always return " + std::to_string(CKR_DEVICE_ERROR));
  auto token = OpenPkcs11Token(std::move(options_));
  ASSERT_TRUE(token.ok()) << token.status();
  const absl::Status away = (*token)->Describe().status();
  EXPECT_TRUE(HasReason(away, Reason::HSM_UNAVAILABLE)) << away;
  faults_->Clear();
  EXPECT_TRUE((*token)->Describe().ok()) << (*token)->Describe().status();
}

}  // namespace
}  // namespace assay::pkcs11
