#include "hsm/failover_token.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "tests/support/software_token.h"

namespace assay::hsm {
namespace {

using test_support::SoftwareToken;

// The same bytes for each, so that two tokens make the same keys, as if one had been cloned.
class Repeating final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(++drawn_ * 37);
  }

 private:
  std::atomic<int> drawn_ = 0;
};

class FailoverTokenTest : public testing::Test {
 protected:
  FailoverTokenTest() {
    for (const auto& token : {first_, second_}) {
      EXPECT_TRUE(token->GenerateKey("pai", KeyPurpose::kSigning).ok());
      EXPECT_TRUE(token->GenerateKey("lots", KeyPurpose::kWrapping).ok());
    }
    point_ = *first_->FindKey("pai")->public_point;
  }
  static void Fail(SoftwareToken& token, Reason reason = Reason::HSM_UNAVAILABLE) {
    token.SetBeforeCall(
        [reason](std::string_view, std::string_view) { return Refuse(reason, "as told"); });
  }
  static void Heal(SoftwareToken& token) { token.SetBeforeCall({}); }
  absl::Status Sign(FailoverToken& token) {
    const auto signature = token.Sign("pai", digest_);
    if (!signature.ok()) return signature.status();
    return VerifySignature(point_, digest_, *signature) ? absl::OkStatus()
                                                        : absl::InternalError("wrong");
  }

  std::shared_ptr<SoftwareToken> first_ =
      std::make_shared<SoftwareToken>(std::make_shared<Repeating>());
  std::shared_ptr<SoftwareToken> second_ =
      std::make_shared<SoftwareToken>(std::make_shared<Repeating>());
  PublicPoint point_{};
  Sha256Digest digest_ = Sha256(AsBytes("tbs"));
};

TEST_F(FailoverTokenTest, UsesTheFirstWhileItIsWell) {
  FailoverToken token({first_, second_});
  EXPECT_TRUE(Sign(token).ok());
  EXPECT_EQ(token.serving(), 0u);
}

TEST_F(FailoverTokenTest, LetsTheSecondTakeOverInsideTheCall) {
  FailoverToken token({first_, second_});
  ASSERT_TRUE(Sign(token).ok());
  for (const Reason reason : {Reason::HSM_UNAVAILABLE, Reason::HSM_PIN_REJECTED,
                              Reason::HSM_PIN_LOCKED, Reason::HSM_KEY_MISSING}) {
    Fail(*first_, reason);
    EXPECT_TRUE(Sign(token).ok()) << ReasonName(reason);
    EXPECT_EQ(token.serving(), 1u);
  }
}

TEST_F(FailoverTokenTest, ReturnsToTheFirstAfterItsRest) {
  FailoverToken token({first_, second_}, {.rest = std::chrono::milliseconds(0)});
  Fail(*first_);
  ASSERT_TRUE(Sign(token).ok());
  ASSERT_EQ(token.serving(), 1u);
  Heal(*first_);
  EXPECT_TRUE(Sign(token).ok());
  EXPECT_EQ(token.serving(), 0u);
}

TEST_F(FailoverTokenTest, SparesAFirstThatRests) {
  FailoverToken token({first_, second_}, {.rest = std::chrono::hours(1)});
  std::atomic<int> asked = 0;
  first_->SetBeforeCall([&](std::string_view, std::string_view) {
    ++asked;
    return Refuse(Reason::HSM_UNAVAILABLE, "as told");
  });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Sign(token).ok());
  EXPECT_EQ(asked, 1);
}

TEST_F(FailoverTokenTest, TellsWhatTheFirstSaidWhenNoneServes) {
  FailoverToken token({first_, second_});
  Fail(*first_, Reason::HSM_PIN_LOCKED);
  Fail(*second_, Reason::HSM_UNAVAILABLE);
  EXPECT_TRUE(HasReason(Sign(token), Reason::HSM_PIN_LOCKED));
}

TEST_F(FailoverTokenTest, RefusesASecondThatHasAnotherKey) {
  auto stranger = std::make_shared<SoftwareToken>();
  ASSERT_TRUE(stranger->GenerateKey("pai", KeyPurpose::kSigning).ok());
  ASSERT_TRUE(stranger->GenerateKey("lots", KeyPurpose::kWrapping).ok());
  FailoverToken token({first_, stranger});
  ASSERT_TRUE(Sign(token).ok());
  const auto sealed = token.Encrypt("lots", AsBytes("x"), {});
  ASSERT_TRUE(sealed.ok());
  Fail(*first_);
  EXPECT_FALSE(Sign(token).ok());
  EXPECT_FALSE(token.Encrypt("lots", AsBytes("x"), {}).ok());
  EXPECT_FALSE(token.Decrypt("lots", *sealed, {}).ok());
}

TEST_F(FailoverTokenTest, ComparesWithTheKeyItWasToldToExpect) {
  auto stranger = std::make_shared<SoftwareToken>();
  ASSERT_TRUE(stranger->GenerateKey("pai", KeyPurpose::kSigning).ok());
  FailoverToken token({stranger, second_});
  token.Expect("pai", point_);
  EXPECT_TRUE(Sign(token).ok());
  EXPECT_EQ(token.serving(), 1u);
}

TEST_F(FailoverTokenTest, OpensInTheSecondWhatTheFirstSealed) {
  FailoverToken token({first_, second_});
  const auto sealed = token.Encrypt("lots", AsBytes("lot key"), AsBytes("lot 7"));
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  Fail(*first_);
  const auto opened = token.Decrypt("lots", *sealed, AsBytes("lot 7"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(ToText(opened->view()), "lot key");
}

TEST_F(FailoverTokenTest, DoesNotBlameTheTokenForBytesThatAreWrong) {
  FailoverToken token({first_, second_});
  EXPECT_TRUE(HasReason(token.Decrypt("lots", Bytes(40), {}).status(), Reason::HSM_DATA_REJECTED));
  EXPECT_EQ(token.serving(), 0u);
}

TEST_F(FailoverTokenTest, PassesByATokenInWhichACallHangs) {
  std::atomic<bool> release = false, inside = false;
  FailoverToken token({first_, second_}, {.hung_after = std::chrono::milliseconds(0)});
  ASSERT_TRUE(Sign(token).ok());
  first_->SetBeforeCall([&](std::string_view call, std::string_view) {
    inside = call == "Sign";
    while (!release) std::this_thread::yield();
    return absl::OkStatus();
  });
  std::thread hung([&] { Sign(token).IgnoreError(); });
  while (!inside) std::this_thread::yield();
  EXPECT_TRUE(Sign(token).ok());
  EXPECT_EQ(token.serving(), 1u);
  release = true;
  hung.join();
}

}  // namespace
}  // namespace assay::hsm
