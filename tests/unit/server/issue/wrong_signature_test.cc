// What the HSM signed wrongly never leaves, and takes nothing right with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "image/cms.h"
#include "matter/certificate.h"
#include "tests/unit/server/issue/refused_outcome.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

class WrongSignatureTest : public testing::Test {
 protected:
  Workshop shop;
};

TEST_F(WrongSignatureTest, NothingSignedUnrecordedAWrongSignatureNeverLeaves) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  shop.Start();
  shop.token->SetGarbageSignatures(true);
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-1")), Refused(Reason::HSM_BAD_SIGNATURE));
  EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  shop.token->SetGarbageSignatures(false);
  EXPECT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
}

TEST_F(WrongSignatureTest, AnImageWhoseSignatureIsWrongNeverLeaves) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  shop.Start();
  shop.token->SetSpoilt(
      [this](std::string_view label) { return label == shop.pipeline_options.image_key; });
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-1")), Refused(Reason::HSM_BAD_SIGNATURE));
  EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  shop.token->SetSpoilt(nullptr);
  EXPECT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
}

// So many at once that signatures wait for one another and are checked side by side, beside tickets
// that have no certificate to check.
TEST_F(WrongSignatureTest, OfTicketsCheckedTogetherThoseWithAWrongSignatureAreRefusedAndNoOthers) {
  constexpr size_t kTickets = 300;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), kTickets).ok());
  v1::ProductSpec bare = shop.Light();
  bare.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  ASSERT_TRUE(shop.Open("bare", bare, kTickets).ok());
  shop.Start();
  size_t dacs = 0, images = 0, spoilt = 0;
  shop.token->SetSpoilt([&](std::string_view label) {
    const bool spoils =
        label == shop.pipeline_options.image_key ? images++ % 7 == 2 : dacs++ % 5 == 3;
    spoilt += spoils ? 1 : 0;
    return spoils;
  });
  std::vector<v1::IssueRequest> requests;
  for (size_t i = 0; i < kTickets; ++i) {
    requests.push_back(Workshop::Request(i % 3 == 0 ? "bare" : "lot", "t-" + std::to_string(i)));
  }
  size_t refused = 0;
  for (const auto& outcome : shop.IssueAll(requests)) {
    if (!outcome.ok()) {
      EXPECT_THAT(outcome, Refused(Reason::HSM_BAD_SIGNATURE));
      ++refused;
      continue;
    }
    const v1::Identity& identity = outcome->identity();
    if (identity.lot() == "lot") {
      const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
      const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
      ASSERT_TRUE(dac.ok() && pai.ok());
      EXPECT_TRUE(dac->IsSignedBy(*pai));
    }
    for (const v1::ImageFile& file : identity.images()) {
      EXPECT_TRUE(image::VerifyDetachedCms(AsBytes(file.signature()), AsBytes(file.content()),
                                           shop.sandbox.image_certificate)
                      .ok());
    }
  }
  shop.token->SetSpoilt(nullptr);
  EXPECT_GT(refused, kTickets / 5);
  EXPECT_EQ(refused, spoilt);
  EXPECT_EQ(shop.LotNow("lot").claimed() + shop.LotNow("bare").claimed(), kTickets - refused);
}

}  // namespace
}  // namespace assay::issue
