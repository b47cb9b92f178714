#include "hsm/pkcs11/ckr.h"
#include "tests/conformance/token/token_suite.h"
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

}  // namespace
}  // namespace assay::hsm
