// What a real SoftHSM2 does when its sessions, its login or its store go away, and that we come
// back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/pkcs11/module.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "hsm/policy.h"
#include "tests/support/softhsm_fixture.h"

namespace assay::pkcs11 {
namespace {

using test_support::SoftHsm;

class SoftHsmHealing : public testing::Test {
 protected:
  void SetUp() override {
    if (!SoftHsm::Installed()) GTEST_SKIP() << "SKIPPED: SoftHSM2 is not installed";
    softhsm_.emplace();
    options_ = softhsm_->Options();
    options_.reinitialize_interval = std::chrono::milliseconds(0);
    options_.session_wait = std::chrono::minutes(5);
    options_.drain_wait = std::chrono::minutes(1);
    options_.on_fault = [this](const Pkcs11Fault& fault) {
      const std::lock_guard lock(faults_mutex_);  // told on whichever thread met it
      faults_.emplace_back(fault.ckr);
    };
  }
  void TearDown() override {
    token_.reset();
    module_.reset();
    softhsm_.reset();
  }
  void Open() {
    auto token = OpenPkcs11Token(std::move(options_));
    ASSERT_TRUE(token.ok()) << token.status();
    token_ = *token;
  }
  void OpenWithKey() {
    Open();
    const auto key = token_->GenerateKey("pai", hsm::KeyPurpose::kSigning);
    ASSERT_TRUE(key.ok()) << key.status();
    point_ = *key->public_point;
  }
  // The same module the token uses, for what only an outsider would do to it.
  Module& module() {
    if (!module_) module_ = *Module::Share(SoftHsm::ModulePath());
    return *module_;
  }
  CK_SLOT_ID slot() {
    const CallGate::Pass pass(module().gate());
    Module::Found found;
    EXPECT_EQ(module().FindToken(softhsm_->label(), "", found), CKR_OK);
    return found.slot;
  }
  absl::Status Sign() {
    const auto signature = token_->Sign("pai", digest_);
    if (!signature.ok()) return signature.status();
    return hsm::VerifySignature(point_, digest_, *signature)
               ? absl::OkStatus()
               : absl::InternalError("the signature is wrong");
  }

  std::optional<SoftHsm> softhsm_;
  Pkcs11Options options_;
  std::shared_ptr<hsm::Token> token_;
  std::shared_ptr<Module> module_;
  hsm::PublicPoint point_{};
  Sha256Digest digest_ = Sha256(AsBytes("tbs"));
  std::mutex faults_mutex_;
  std::vector<std::string> faults_;
};

TEST_F(SoftHsmHealing, SignsOnAfterAllSessionsWereClosed) {
  OpenWithKey();
  ASSERT_EQ(module().ck().C_CloseAllSessions(slot()), CKR_OK);
  EXPECT_TRUE(Sign().ok()) << Sign();
  EXPECT_THAT(faults_, testing::ElementsAre("CKR_SESSION_HANDLE_INVALID"));
}

TEST_F(SoftHsmHealing, SignsOnAfterTheTokenWasLoggedOut) {
  OpenWithKey();
  CK_SESSION_HANDLE session;
  ASSERT_EQ(module().ck().C_OpenSession(slot(), CKF_SERIAL_SESSION, nullptr, nullptr, &session),
            CKR_OK);
  ASSERT_EQ(module().ck().C_Logout(session), CKR_OK);
  EXPECT_TRUE(Sign().ok()) << Sign();
  EXPECT_FALSE(faults_.empty());
}

TEST_F(SoftHsmHealing, SignsOnAfterTheModuleWasFinalizedUnderIt) {
  OpenWithKey();
  ASSERT_EQ(module().ck().C_Finalize(nullptr), CKR_OK);
  EXPECT_TRUE(Sign().ok()) << Sign();
  EXPECT_THAT(faults_, testing::Contains("CKR_CRYPTOKI_NOT_INITIALIZED"));
}

TEST_F(SoftHsmHealing, RefusesWhileTheStoreIsAwayAndSignsWhenItIsBack) {
  OpenWithKey();
  softhsm_->TakeStoreAway();
  for (int i = 0; i < 3; ++i) {
    const absl::Status away = Sign();
    EXPECT_TRUE(HasReason(away, Reason::HSM_UNAVAILABLE)) << away;
    EXPECT_THAT(std::string(away.message()), testing::HasSubstr("CKR_"));
  }
  softhsm_->GiveStoreBack();
  EXPECT_TRUE(Sign().ok()) << Sign();
  EXPECT_TRUE(token_->CheckHealth("pai").ok());
}

TEST_F(SoftHsmHealing, FindsATokenThatWasAwayAtTheStart) {
  OpenWithKey();
  token_.reset();
  module_.reset();
  softhsm_->TakeStoreAway();
  options_ = softhsm_->Options();
  options_.reinitialize_interval = std::chrono::milliseconds(0);
  Open();
  const auto absent = token_->Describe();
  EXPECT_TRUE(HasReason(absent.status(), Reason::HSM_UNAVAILABLE)) << absent.status();
  softhsm_->GiveStoreBack();
  EXPECT_TRUE(token_->Describe().ok()) << token_->Describe().status();
  EXPECT_TRUE(Sign().ok()) << Sign();
}

TEST_F(SoftHsmHealing, HealsUnderManyThreads) {
  OpenWithKey();
  std::atomic<int> good = 0, bad = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) ++(Sign().ok() ? good : bad);
    });
  }
  for (int round = 1; round <= 5; ++round) {
    const int before = good;
    const CK_SLOT_ID closed = slot();
    // SoftHSM crashes when a session is closed under a call; between calls is where a restart would
    // fall too.
    ASSERT_TRUE(module().gate().ShutAndDrain(std::chrono::minutes(1)));
    module().ck().C_CloseAllSessions(closed);
    module().gate().Open();
    while (good < before + 20) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Sign().ok());
  // A thread may meet three closings in one call, but not the rule.
  EXPECT_LT(bad, good / 4);
}

TEST_F(SoftHsmHealing, TriesAWrongPinOnceAndAsksAgainWhenTheFileChanges) {
  softhsm_->WritePin("999999");
  Open();
  for (int i = 0; i < 5; ++i) {
    const auto refused = token_->Describe();
    EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_PIN_REJECTED)) << refused.status();
    EXPECT_EQ(refused.status().message().find("999999"), std::string::npos);
  }
  EXPECT_EQ(std::count(faults_.begin(), faults_.end(), "CKR_PIN_INCORRECT"), 1);
  softhsm_->WritePin(softhsm_->pin());
  EXPECT_TRUE(token_->Describe().ok()) << token_->Describe().status();
}

// Another program, as an operator with the SO PIN is one.
class SoftHsmPinReset : public SoftHsmHealing {
 protected:
  void Reset(const std::string& pin) {
    const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() +
                                " --token-label " + softhsm_->label() +
                                " --login --login-type so --so-pin " + softhsm_->so_pin() +
                                " --init-pin --pin " + pin + " >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  void LoseSessions() { ASSERT_EQ(module().ck().C_CloseAllSessions(slot()), CKR_OK); }
  long Refusals() { return std::count(faults_.begin(), faults_.end(), "CKR_PIN_INCORRECT"); }
};

TEST_F(SoftHsmPinReset, WithTheFileChangedTooTheNewPinIsTakenAtTheFirstAttempt) {
  OpenWithKey();
  for (const char* pin : {"654321", "112233", "445566"}) {
    Reset(pin);
    softhsm_->WritePin(pin);
    LoseSessions();
    const absl::Status signed_anew = Sign();
    EXPECT_TRUE(signed_anew.ok()) << pin << ": " << signed_anew;
  }
  EXPECT_EQ(Refusals(), 0);
}

TEST_F(SoftHsmPinReset, WithTheFileChangedLaterTheOldPinCostsOneAttemptAndTheNewOneNone) {
  OpenWithKey();
  Reset("654321");
  LoseSessions();
  // SoftHSM may go on with the PIN it remembers until it is initialized anew.
  ASSERT_EQ(module().ck().C_Finalize(nullptr), CKR_OK);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(HasReason(Sign(), Reason::HSM_PIN_REJECTED)) << Sign();
  }
  EXPECT_EQ(Refusals(), 1);
  softhsm_->WritePin("654321");
  const absl::Status signed_anew = Sign();
  EXPECT_TRUE(signed_anew.ok()) << signed_anew;
  EXPECT_EQ(Refusals(), 1);
}

TEST_F(SoftHsmHealing, RefusesAPinFileThatOthersMayRead) {
  std::filesystem::permissions(softhsm_->pin_file(), std::filesystem::perms(0644));
  const auto token = OpenPkcs11Token(std::move(options_));
  EXPECT_TRUE(HasReason(token.status(), Reason::FIELD_NOT_ALLOWED)) << token.status();
}

TEST_F(SoftHsmHealing, NamesATokenThatIsNotThere) {
  options_.token_label = "another";
  Open();
  const auto absent = token_->Describe();
  EXPECT_TRUE(HasReason(absent.status(), Reason::HSM_UNAVAILABLE)) << absent.status();
  EXPECT_THAT(std::string(absent.status().message()), testing::HasSubstr("CKR_TOKEN_NOT_PRESENT"));
}

TEST_F(SoftHsmHealing, RefusesAModuleThatIsNoModule) {
  options_.module_path = "/nowhere/module.so";
  EXPECT_TRUE(HasReason(OpenPkcs11Token(std::move(options_)).status(), Reason::HSM_UNAVAILABLE));
}

TEST_F(SoftHsmHealing, RefusesTwoKeysOfOneLabel) {
  OpenWithKey();
  // Another program made a second one behind our back.
  const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() + " --token-label " +
                              softhsm_->label() + " --login --pin " + softhsm_->pin() +
                              " --keypairgen --key-type EC:prime256v1 --label pai --id 77"
                              " >/dev/null 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto twice = token_->FindKey("pai");
  EXPECT_TRUE(HasReason(twice.status(), Reason::HSM_KEY_UNFIT)) << twice.status();
}

// A key pair is two objects, and kill -9 may fall between them.
TEST_F(SoftHsmHealing, APublicHalfLeftAloneMakesRoomAndAPrivateOneIsNamed) {
  OpenWithKey();
  const auto remove = [&](const std::string& half) {
    const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() +
                                " --token-label " + softhsm_->label() + " --login --pin " +
                                softhsm_->pin() + " --delete-object --type " + half +
                                " --label pai >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0);
  };
  const auto before = token_->FindKey("pai");
  ASSERT_TRUE(before.ok()) << before.status();
  remove("privkey");
  token_ = *OpenPkcs11Token(softhsm_->Options());
  const auto made = token_->GenerateKey("pai", hsm::KeyPurpose::kSigning);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NE(*made->public_point, *before->public_point);
  remove("pubkey");
  token_ = *OpenPkcs11Token(softhsm_->Options());
  const auto refused = token_->GenerateKey("pai", hsm::KeyPurpose::kSigning);
  EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_KEY_UNFIT)) << refused.status();
  EXPECT_NE(refused.status().message().find("without its public half"), absl::string_view::npos)
      << refused.status();
}

TEST_F(SoftHsmHealing, NamesTheAttributeOfAKeyMadeWithoutThePolicy) {
  Open();
  const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() + " --token-label " +
                              softhsm_->label() + " --login --pin " + softhsm_->pin() +
                              " --keypairgen --key-type EC:prime256v1 --label loose --id 78"
                              " --usage-sign --usage-derive --extractable >/dev/null 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto key = token_->FindKey("loose");
  ASSERT_TRUE(key.ok()) << key.status();
  const auto refusal = RefusalOf(hsm::CheckKeyPolicy(*key));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::HSM_KEY_UNFIT);
  EXPECT_EQ(refusal->field, "CKA_EXTRACTABLE");
}

TEST_F(SoftHsmHealing, NamesAKeyOnAnotherCurve) {
  Open();
  const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() + " --token-label " +
                              softhsm_->label() + " --login --pin " + softhsm_->pin() +
                              " --keypairgen --key-type EC:secp384r1 --label wide --id 79"
                              " >/dev/null 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto refusal = RefusalOf(token_->FindKey("wide").status());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::HSM_KEY_UNFIT);
  EXPECT_EQ(refusal->field, "CKA_EC_PARAMS");
  EXPECT_TRUE(token_->ListKeys()->empty());
}

TEST_F(SoftHsmHealing, NoticesAKeyThatAnotherProgramDestroyed) {
  OpenWithKey();
  const std::string command = "pkcs11-tool --module " + SoftHsm::ModulePath() + " --token-label " +
                              softhsm_->label() + " --login --pin " + softhsm_->pin() +
                              " --delete-object --type privkey --label pai >/dev/null 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (int i = 0; i < 2; ++i) {
    const absl::Status gone = Sign();
    EXPECT_TRUE(HasReason(gone, Reason::HSM_KEY_MISSING)) << gone;
  }
}

TEST_F(SoftHsmHealing, ServesTwoTokensOfOneModule) {
  softhsm_->AddToken("second");
  OpenWithKey();
  Pkcs11Options options = softhsm_->Options();
  options.token_label = "second";
  auto second = OpenPkcs11Token(std::move(options));
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE((*second)->GenerateKey("ledger", hsm::KeyPurpose::kSigning).ok());
  EXPECT_TRUE((*second)->CheckHealth("ledger").ok());
  EXPECT_TRUE(Sign().ok());
  EXPECT_TRUE(HasReason((*second)->FindKey("pai").status(), Reason::HSM_KEY_MISSING));
}

}  // namespace
}  // namespace assay::pkcs11
