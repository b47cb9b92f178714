#include "server/issue/image_delegate.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

// Signers that answer when the test says so.
class SlowSigner final : public hsm::Signer {
 public:
  explicit SlowSigner(std::shared_ptr<hsm::Token> token) : token_(std::move(token)) {}
  void Sign(std::string label, const Sha256Digest& digest, Deadline, Done done) override {
    asked_.push_back([this, label = std::move(label), digest, done = std::move(done)](bool good) {
      done(good ? token_->Sign(label, digest)
                : absl::StatusOr<hsm::RawSignature>(
                      Refuse(Reason::HSM_UNAVAILABLE, "the HSM is away")));
    });
  }
  size_t waiting() const { return asked_.size(); }
  void Answer(bool good = true) {
    auto all = std::exchange(asked_, {});
    for (const auto& one : all) one(good);
  }

 private:
  std::shared_ptr<hsm::Token> token_;
  std::vector<std::function<void(bool)>> asked_;
};

// A clock that stands where the test puts it.
class PlacedClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1790000000);
};

class ImageDelegateTest : public ::testing::Test {
 protected:
  using Given = absl::StatusOr<std::shared_ptr<const ImageDelegate>>;

  // Who is handed a delegate is listed; at once, or when the HSM has answered.
  void Take() {
    delegation_.With(Deadline::In(std::chrono::minutes(1)),
                     [this](Given given) { given_.push_back(std::move(given)); });
  }

  Workshop shop_;
  PlacedClock clock_;
  std::shared_ptr<SlowSigner> signers_ = std::make_shared<SlowSigner>(shop_.token);
  std::vector<Given> given_;
  ImageDelegation delegation_{signers_, "assay-image", shop_.sandbox.image_certificate,
                              shop_.random, clock_};
};

TEST_F(ImageDelegateTest, ManyWhoComeAtOnceWaitForOneCertificate) {
  Take();
  Take();
  EXPECT_TRUE(given_.empty());
  EXPECT_EQ(signers_->waiting(), 1u);
  signers_->Answer();
  ASSERT_EQ(given_.size(), 2u);
  ASSERT_TRUE(given_[0].ok()) << given_[0].status();
  EXPECT_EQ(*given_[0], *given_[1]);
  const Bytes content(64, 7);
  const auto signature = (*given_[0])->Sign(Sha256(content));
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE((*given_[0])->verifier().Verify(Sha256(content), *signature));
  const auto cms = (*given_[0])->cms().Fill(*signature);
  ASSERT_TRUE(cms.ok());
  EXPECT_TRUE(image::VerifyDetachedCms(*cms, content, shop_.sandbox.image_certificate).ok());
}

TEST_F(ImageDelegateTest, IsCertifiedForADayAndRenewedWhenHalfOfItIsOver) {
  Take();
  signers_->Answer();
  ASSERT_TRUE(given_.back().ok()) << given_.back().status();
  const auto first = *given_.back();
  EXPECT_EQ(first->not_after(), clock_.now + absl::Hours(24));
  clock_.now += absl::Hours(11);
  Take();
  EXPECT_EQ(signers_->waiting(), 0u);
  clock_.now += absl::Hours(2);
  Take();
  EXPECT_EQ(*given_.back(), first) << "nobody waits for the next one";
  EXPECT_EQ(signers_->waiting(), 1u);
  signers_->Answer();
  Take();
  EXPECT_NE(*given_.back(), first);
  EXPECT_NE((*given_.back())->cms().certificate().data(), first->cms().certificate().data());
}

TEST_F(ImageDelegateTest, ARenewalThatFailsLeavesThePresentOneInUseUntilItsEnd) {
  Take();
  signers_->Answer();
  const auto first = *given_.back();
  clock_.now += absl::Hours(13);
  Take();
  signers_->Answer(false);
  Take();
  ASSERT_TRUE(given_.back().ok());
  EXPECT_EQ(*given_.back(), first);
  EXPECT_EQ(signers_->waiting(), 0u) << "not asked again at once";
  clock_.now += absl::Minutes(2);
  Take();
  EXPECT_EQ(signers_->waiting(), 1u);
  signers_->Answer(false);
  clock_.now = first->not_after();
  const size_t before = given_.size();
  Take();
  EXPECT_EQ(given_.size(), before) << "its time is over: whoever comes waits";
  signers_->Answer(false);
  ASSERT_EQ(given_.size(), before + 1);
  EXPECT_TRUE(HasReason(given_.back().status(), Reason::HSM_UNAVAILABLE));
}

TEST_F(ImageDelegateTest, AnIdentityCostsOneSignatureOfTheHsmAndIsCheckedLikeAnyOther) {
  Workshop shop;
  shop.pipeline_options.delegate_images = true;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 20).ok());
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < 20; ++i) {
    requests.push_back(Workshop::Request("lot", "t-" + std::to_string(i)));
  }
  const auto outcomes = shop.IssueAll(requests);
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    const v1::Identity& identity = outcome->identity();
    EXPECT_EQ(AsText(shop.sandbox.image_certificate), identity.image_certificate());
    EXPECT_TRUE(image::VerifyDetachedCms(AsBytes(identity.images(0).signature()),
                                         AsBytes(identity.images(0).content()),
                                         AsBytes(identity.image_certificate()))
                    .ok());
  }
  EXPECT_EQ(shop.signers->Counters().signed_total, 21u) << "twenty DACs and one delegate";
}

}  // namespace
}  // namespace assay::issue
