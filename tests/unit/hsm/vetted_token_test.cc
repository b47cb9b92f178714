#include "hsm/vetted_token.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tests/support/drifting_token.h"
#include "tests/support/software_token.h"

namespace assay::hsm {
namespace {

using test_support::DriftingToken;
using test_support::SoftwareToken;

class VettedTokenTest : public testing::Test {
 protected:
  VettedTokenTest() {
    for (const char* label : {"pai-a", "pai-b"}) {
      EXPECT_TRUE(software_->GenerateKey(label, KeyPurpose::kSigning).ok());
    }
    EXPECT_TRUE(software_->GenerateKey("lots", KeyPurpose::kWrapping).ok());
  }
  absl::Status Sign(const char* label) { return vetted_.Sign(label, digest_).status(); }
  static void MakeExtractable(KeyDescription& key) { key.extractable = true; }

  std::shared_ptr<SoftwareToken> software_ = std::make_shared<SoftwareToken>();
  std::shared_ptr<DriftingToken> drifting_ = std::make_shared<DriftingToken>(software_);
  VettedToken vetted_{drifting_, KeyOrigin::kMadeInToken};
  Sha256Digest digest_ = Sha256(AsBytes("tbs"));
};

TEST_F(VettedTokenTest, AKeyThatDriftedBeforeTheStartSignsNothingAndOthersGoOn) {
  drifting_->Drift("pai-a", MakeExtractable);
  const absl::Status refused = Sign("pai-a");
  EXPECT_TRUE(HasReason(refused, Reason::HSM_KEY_UNFIT)) << refused;
  EXPECT_EQ(RefusalOf(refused)->field, "CKA_EXTRACTABLE");
  EXPECT_TRUE(HasReason(vetted_.CheckHealth("pai-a"), Reason::HSM_KEY_UNFIT));
  EXPECT_TRUE(Sign("pai-b").ok());
}

TEST_F(VettedTokenTest, AKeyThatDriftsLaterIsRefusedFromTheNextLookUntilItFitsAgain) {
  ASSERT_TRUE(Sign("pai-a").ok());
  drifting_->Drift("pai-a", MakeExtractable);
  const auto unfit = vetted_.Vet({{"pai-a", std::nullopt}, {"pai-b", std::nullopt}});
  ASSERT_EQ(unfit.size(), 1u);
  EXPECT_EQ(unfit[0].label, "pai-a");
  EXPECT_TRUE(HasReason(Sign("pai-a"), Reason::HSM_KEY_UNFIT));
  EXPECT_TRUE(Sign("pai-b").ok());
  EXPECT_EQ(vetted_.UnfitKeys().size(), 1u);
  drifting_->Drift("pai-a", {});
  EXPECT_TRUE(vetted_.Vet({{"pai-a", std::nullopt}}).empty());
  EXPECT_TRUE(Sign("pai-a").ok());
  EXPECT_TRUE(vetted_.UnfitKeys().empty());
}

TEST_F(VettedTokenTest, AnotherKeyUnderTheLabelOfACertifiedOneIsRefused) {
  const auto certified = software_->FindKey("pai-a")->public_point;
  EXPECT_TRUE(vetted_.Vet({{"pai-a", certified}}).empty());
  ASSERT_TRUE(software_->DestroyKey("pai-a").ok());
  ASSERT_TRUE(software_->GenerateKey("pai-a", KeyPurpose::kSigning).ok());
  ASSERT_EQ(vetted_.Vet({{"pai-a", certified}}).size(), 1u);
  EXPECT_EQ(RefusalOf(Sign("pai-a"))->field, "CKA_EC_POINT");
}

TEST_F(VettedTokenTest, AFaultOfTheTokenDecidesNothing) {
  software_->SetBeforeCall(
      [](std::string_view, std::string_view) { return Refuse(Reason::HSM_UNAVAILABLE, "away"); });
  EXPECT_TRUE(HasReason(Sign("pai-a"), Reason::HSM_UNAVAILABLE));
  EXPECT_TRUE(vetted_.Vet({{"pai-a", std::nullopt}}).empty());
  software_->SetBeforeCall({});
  ASSERT_TRUE(Sign("pai-a").ok());
  drifting_->Drift("pai-a", MakeExtractable);
  ASSERT_EQ(vetted_.Vet({{"pai-a", std::nullopt}}).size(), 1u);
  software_->SetBeforeCall(
      [](std::string_view, std::string_view) { return Refuse(Reason::HSM_UNAVAILABLE, "away"); });
  ASSERT_EQ(vetted_.Vet({{"pai-a", std::nullopt}}).size(), 1u);
  software_->SetBeforeCall({});
  EXPECT_TRUE(HasReason(Sign("pai-a"), Reason::HSM_KEY_UNFIT));
}

TEST_F(VettedTokenTest, ADriftedWrappingKeyWrapsNothingMoreButStillOpensWhatItWrapped) {
  const auto sealed = vetted_.Encrypt("lots", AsBytes("lot key"), {});
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  drifting_->Drift("lots", [](KeyDescription& key) { key.unwrap = true; });
  ASSERT_EQ(vetted_.Vet({{"lots", std::nullopt}}).size(), 1u);
  EXPECT_TRUE(
      HasReason(vetted_.Encrypt("lots", AsBytes("lot key"), {}).status(), Reason::HSM_KEY_UNFIT));
  EXPECT_TRUE(vetted_.Decrypt("lots", *sealed, {}).ok());
}

TEST_F(VettedTokenTest, OnlySandboxesUseAKeyThatWasBroughtIn) {
  SecretBytes scalar(32);
  scalar.data()[31] = 7;
  ASSERT_TRUE(software_->ImportSigningKey("from-a-file", scalar).ok());
  EXPECT_EQ(RefusalOf(Sign("from-a-file"))->field, "CKA_LOCAL");
  VettedToken sandbox(drifting_, KeyOrigin::kImportAllowed);
  EXPECT_TRUE(sandbox.Sign("from-a-file", digest_).ok());
}

}  // namespace
}  // namespace assay::hsm
