#include "hsm/failover_token.h"
#include "tests/conformance/token/token_suite.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/support/software_token.h"

namespace assay::hsm {
namespace {

TokenRig Software() {
  return {.stage = nullptr, .token = std::make_shared<test_support::SoftwareToken>()};
}

TokenRig SoftHsm2() {
  if (!test_support::SoftHsm::Installed()) return {};
  auto stage = std::make_shared<test_support::SoftHsm>();
  auto token = pkcs11::OpenPkcs11Token(stage->Options());
  EXPECT_TRUE(token.ok()) << token.status();
  return {.stage = stage, .token = token.ok() ? *token : nullptr, .unwraps = true};
}

TokenRig Failover() {
  std::vector<std::shared_ptr<Token>> members = {std::make_shared<test_support::SoftwareToken>(),
                                                 std::make_shared<test_support::SoftwareToken>()};
  return {.stage = nullptr, .token = std::make_shared<FailoverToken>(members)};
}

INSTANTIATE_TEST_SUITE_P(Tokens, TokenConformance,
                         testing::Values(TokenMaker{"Software", Software},
                                         TokenMaker{"Failover", Failover},
                                         TokenMaker{"SoftHsm2", SoftHsm2}),
                         NameOfMaker);

}  // namespace
}  // namespace assay::hsm
