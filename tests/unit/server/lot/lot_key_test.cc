#include "server/lot/lot_key.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/refusal.h"
#include "tests/support/software_token.h"

namespace assay::lot {
namespace {

TEST(LotKey, WhatIsSealedOpensOnlyUnderTheSameKeyAndPurpose) {
  SystemRandom random;
  const SecretBytes key = random.DrawSecret(32);
  const SecretBytes other = random.DrawSecret(32);
  Bytes sealed = SealUnder(key, AsBytes("MT:..."), CodesPurpose("device-1"), random);
  const auto opened = OpenUnder(key, sealed, CodesPurpose("device-1"));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(ToText(opened->view()), "MT:...");
  EXPECT_FALSE(OpenUnder(key, sealed, CodesPurpose("device-2")).ok());
  EXPECT_FALSE(OpenUnder(key, sealed, IdentityPurpose("device-1")).ok());
  EXPECT_FALSE(OpenUnder(other, sealed, CodesPurpose("device-1")).ok());
  sealed.back() ^= 1;
  EXPECT_FALSE(OpenUnder(key, sealed, CodesPurpose("device-1")).ok());
  EXPECT_FALSE(OpenUnder(key, Bytes(5), CodesPurpose("device-1")).ok());
}

TEST(LotKey, AWrappedKeyBelongsToItsLot) {
  const auto token = std::make_shared<test_support::SoftwareToken>();
  ASSERT_TRUE(token->GenerateKey("assay-wrapping", hsm::KeyPurpose::kWrapping).ok());
  SystemRandom random;
  LotKeys keys(token, "assay-wrapping");
  db::Lot lot;
  lot.name = "a";
  lot.wrapped_key = *keys.MakeWrapped("a", random);
  const auto key = keys.Unwrap(lot);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ((*key)->size(), 32u);
  lot.name = "b";  // the same bytes under another lot's name
  EXPECT_FALSE(keys.Unwrap(lot).ok());
}

TEST(LotKey, AHungTokenHoldsNobodyForLongAndItsLateAnswerIsTaken) {
  const auto token = std::make_shared<test_support::SoftwareToken>();
  ASSERT_TRUE(token->GenerateKey("assay-wrapping", hsm::KeyPurpose::kWrapping).ok());
  SystemRandom random;
  db::Lot lot;
  lot.name = "a";
  lot.wrapped_key = *LotKeys(token, "assay-wrapping").MakeWrapped("a", random);
  std::promise<void> release;
  std::atomic<int> asked{0};
  token->SetBeforeCall(
      [&, free = release.get_future().share()](std::string_view call, std::string_view) {
        if (call == "Decrypt") {
          ++asked;
          free.wait();
        }
        return absl::OkStatus();
      });
  LotKeys keys(token, "assay-wrapping", std::chrono::milliseconds(20));
  EXPECT_TRUE(HasReason(keys.Unwrap(lot).status(), Reason::HSM_TIMEOUT));
  EXPECT_TRUE(HasReason(keys.Unwrap(lot).status(), Reason::HSM_TIMEOUT));
  release.set_value();
  absl::StatusOr<std::shared_ptr<const SecretBytes>> key = keys.Unwrap(lot);
  while (!key.ok()) key = keys.Unwrap(lot);
  EXPECT_EQ((*key)->size(), 32u);
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace assay::lot
