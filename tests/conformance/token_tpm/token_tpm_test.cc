#include <cstdlib>
#include <filesystem>
#include <optional>

#include "hsm/failover_token.h"
#include "hsm/p256.h"
#include "hsm/pkcs11/ckr.h"
#include "hsm/signer_pool.h"
#include "tests/conformance/token/token_suite.h"
#include "tests/support/fault_list.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/support/tpm_fixture.h"

namespace assay::hsm {
namespace {

TokenRig Tpm2() {
  if (!test_support::Tpm::Installed()) return {};
  auto stage = std::make_shared<test_support::Tpm>();
  auto token = pkcs11::OpenPkcs11Token(stage->Options());
  EXPECT_TRUE(token.ok()) << token.status();
  return {.stage = stage,
          .token = token.ok() ? *token : nullptr,
          .makes_wrapping_keys = false,
          .imports = false,
          .keys = 1};
}

INSTANTIATE_TEST_SUITE_P(Tokens, TokenConformance, testing::Values(TokenMaker{"Tpm2", Tpm2}),
                         NameOfMaker);

class TpmPinLock : public testing::Test {
 protected:
  void SetUp() override {
    if (!test_support::Tpm::Installed()) GTEST_SKIP() << "SKIPPED: swtpm is not installed";
    tpm_.emplace();
  }
  std::shared_ptr<Token> Open() {
    auto options = tpm_->Options();
    options.reinitialize_interval = std::chrono::milliseconds(0);
    auto token = pkcs11::OpenPkcs11Token(std::move(options));
    EXPECT_TRUE(token.ok()) << token.status();
    return *token;
  }
  std::optional<test_support::Tpm> tpm_;
};

TEST_F(TpmPinLock, AWrongPinNeverLocksTheTokenHoweverManyCallsCome) {
  tpm_->WritePin("999999");
  const auto token = Open();
  for (int i = 0; i < 8; ++i) {
    const auto refused = token->Describe();
    EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_PIN_REJECTED)) << refused.status();
  }
  tpm_->WritePin(tpm_->pin());
  EXPECT_TRUE(token->Describe().ok()) << token->Describe().status();
}

TEST_F(TpmPinLock, ATokenLockedByOthersIsNamed) {
  const std::string wrong = "pkcs11-tool --module " + test_support::Tpm::ModulePath() +
                            " --token-label assay --login --pin 000000 --list-objects"
                            " >/dev/null 2>&1";
  for (int i = 0; i < 6; ++i) EXPECT_NE(std::system(wrong.c_str()), 0);
  const auto token = Open();
  for (int i = 0; i < 3; ++i) {
    const auto locked = token->Describe();
    EXPECT_TRUE(HasReason(locked.status(), Reason::HSM_PIN_LOCKED)) << locked.status();
  }
}

// What a TPM cannot hold is served from the second token; nothing but its label says so.
TEST_F(TpmPinLock, ASecondTokenServesTheWrappingKeyThatATpmCannotHold) {
  if (!test_support::SoftHsm::Installed()) GTEST_SKIP() << "SKIPPED: SoftHSM2 is not installed";
  test_support::SoftHsm softhsm;
  const auto tpm = Open();
  ASSERT_TRUE(tpm->GenerateKey("pai", KeyPurpose::kSigning).ok());
  const auto second = pkcs11::OpenPkcs11Token(softhsm.Options());
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE((*second)->GenerateKey("lots", KeyPurpose::kWrapping).ok());
  FailoverToken both({tpm, *second});
  const auto sealed = both.Encrypt("lots", AsBytes("a lot's key"), AsBytes("lot 7"));
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_TRUE(both.Sign("pai", Sha256(AsBytes("tbs"))).ok());
  const auto opened = both.Decrypt("lots", *sealed, AsBytes("lot 7"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(both.CheckHealth("pai").ok());
  EXPECT_TRUE(CheckKeyPolicy(*both.FindKey("lots")).ok());
}

// The same healing as on SoftHSM, through the fault module, on a token that is slow and serial.
class TpmHealing : public TpmPinLock {
 protected:
  void SetUp() override {
    TpmPinLock::SetUp();
    if (IsSkipped()) return;
    folder_ = std::filesystem::path(tpm_->pin_file()).parent_path();
    faults_.emplace(folder_);
    ::setenv("ASSAY_FAULT_TARGET", test_support::Tpm::ModulePath().c_str(), 1);
    auto options = tpm_->Options();
    options.module_path = test_support::FaultList::ModulePath(ASSAY_BINARY_DIR);
    options.reinitialize_interval = std::chrono::milliseconds(0);
    options.session_wait = std::chrono::minutes(5);
    auto token = pkcs11::OpenPkcs11Token(std::move(options));
    ASSERT_TRUE(token.ok()) << token.status();
    token_ = *token;
    const auto key = token_->GenerateKey("pai", KeyPurpose::kSigning);
    ASSERT_TRUE(key.ok()) << key.status();
    point_ = *key->public_point;
  }
  void TearDown() override {
    if (faults_) faults_->Clear();
    token_.reset();
    faults_.reset();
  }
  absl::Status Sign() {
    const auto signature = token_->Sign("pai", digest_);
    if (!signature.ok()) return signature.status();
    return VerifySignature(point_, digest_, *signature) ? absl::OkStatus()
                                                        : absl::InternalError("wrong signature");
  }

  std::filesystem::path folder_;
  std::optional<test_support::FaultList> faults_;
  std::shared_ptr<Token> token_;
  PublicPoint point_{};
  const Sha256Digest digest_ = Sha256(AsBytes("tbs"));
};

TEST_F(TpmHealing, SignsThroughOneFaultOfEachCurableKind) {
  for (const char* fault :
       {"C_SignInit 1 return 0xB3", "C_Sign 1 return 0xB0", "C_SignInit 1 return 0x101",
        "C_SignInit 1 return 0x60", "C_Sign 1 return 0x30", "C_Sign 1 return 0x32",
        "C_SignInit 1 return 0xE0", "C_SignInit 1 return 0x190"}) {
    faults_->Use(fault);
    const absl::Status signed_anew = Sign();
    EXPECT_TRUE(signed_anew.ok()) << fault << ": " << signed_anew;
  }
}

TEST_F(TpmHealing, RefusesWhileItIsAwayAndSignsWhenItIsBack) {
  faults_->Use("C_SignInit always return 0x32\nC_OpenSession always return 0xE0");
  EXPECT_TRUE(HasReason(Sign(), Reason::HSM_UNAVAILABLE));
  faults_->Clear();
  const absl::Status back = Sign();
  EXPECT_TRUE(back.ok()) << back;
}

TEST_F(TpmHealing, FreesTheCallerOfACallThatHangs) {
  SignerPoolOptions options;
  options.stuck_after_ms = 200;
  SignerPool pool(token_, options);
  ASSERT_TRUE(pool.SignAndWait("pai", digest_, Deadline::In(std::chrono::minutes(5))).ok());
  faults_->Use("C_Sign 1 hang");
  const auto freed = pool.SignAndWait("pai", digest_, Deadline::In(std::chrono::seconds(1)));
  EXPECT_TRUE(HasReason(freed.status(), Reason::HSM_TIMEOUT)) << freed.status();
  EXPECT_EQ(pool.Counters().stuck, 1);
  faults_->Clear();
  const auto after = pool.SignAndWait("pai", digest_, Deadline::In(std::chrono::minutes(5)));
  EXPECT_TRUE(after.ok()) << after.status();
}

}  // namespace
}  // namespace assay::hsm
