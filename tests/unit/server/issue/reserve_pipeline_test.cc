// Identities with and without what the reserve made ahead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "image/nvs.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "matter/passcode.h"
#include "server/issue/build.h"
#include "server/issue/device_key.h"
#include "tests/unit/server/issue/reference_verifier.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

class ReservePipelineTest : public testing::Test {
 protected:
  ReservePipelineTest() {
    shop_.pipeline_options.reserve.size = 10;
    shop_.pipeline_options.reserve.rest = std::chrono::milliseconds(5);
  }

  ReserveCounters Counters() { return shop_.Start().Counters().reserve; }
  void AwaitReady(int64_t verifiers, int64_t keys) {
    while (Counters().verifiers.ready != verifiers || Counters().keys.ready != keys) {
      std::this_thread::yield();
    }
  }
  std::vector<v1::Identity> Issue(const std::string& lot, const std::string& prefix, int count) {
    std::vector<v1::IssueRequest> requests;
    for (int i = 0; i < count; ++i) {
      requests.push_back(Workshop::Request(lot, prefix + std::to_string(i)));
    }
    std::vector<v1::Identity> identities;
    for (const Outcome& outcome : shop_.IssueAll(requests)) {
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      if (outcome.ok()) identities.push_back(outcome->identity());
    }
    return identities;
  }

  // Verifier, codes, image and certificate say the same.
  static void CheckIdentity(const v1::Identity& identity) {
    const uint32_t passcode = identity.codes().passcode();
    EXPECT_TRUE(matter::CheckPasscode(passcode, "", matter::SdkDefaults::kExcluded).ok());
    const Bytes verifier = ReferenceVerifier(passcode, AsBytes(identity.spake2p_salt()),
                                             identity.spake2p_iterations());
    EXPECT_EQ(ToBytes(AsBytes(identity.spake2p_verifier())), verifier);
    const auto payload = matter::ParseQr(identity.codes().qr_code());
    ASSERT_TRUE(payload.ok()) << payload.status();
    EXPECT_EQ(payload->passcode, passcode);
    std::map<std::string, image::NvsValue> stored;
    const auto entries = image::ParseNvs(AsBytes(identity.images(0).content()));
    ASSERT_TRUE(entries.ok()) << entries.status();
    for (const image::NvsEntry& entry : *entries) stored[entry.key] = entry.value;
    EXPECT_EQ(std::get<std::string>(stored.at("verifier")), ToBase64(verifier));
    EXPECT_EQ(std::get<std::string>(stored.at("salt")), ToBase64(AsBytes(identity.spake2p_salt())));
    const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
    const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
    ASSERT_TRUE(dac.ok() && pai.ok());
    EXPECT_TRUE(dac->IsSignedBy(*pai));
    const auto point = PointOf(SecretBytes::CopyOf(std::get<Bytes>(stored.at("dac-key"))));
    ASSERT_TRUE(point.ok()) << point.status();
    EXPECT_EQ(Bytes(point->begin(), point->end()), ToBytes(dac->public_key()));
  }

  Workshop shop_;
};

TEST_F(ReservePipelineTest, ABurstLargerThanTheReserveIsServedAndEveryIdentityIsRight) {
  v1::ProductSpec spec = shop_.Light();
  spec.set_spake2p_iterations(1500);
  spec.set_spake2p_salt_length(20);
  ASSERT_TRUE(shop_.Open("lot", spec, 100).ok());
  ASSERT_EQ(Issue("lot", "first-", 1).size(), 1u);
  AwaitReady(10, 10);
  const std::vector<v1::Identity> identities = Issue("lot", "t-", 25);
  ASSERT_EQ(identities.size(), 25u);
  EXPECT_GE(Counters().verifiers.taken, 10);
  EXPECT_GE(Counters().keys.taken, 10);
  std::set<std::string> salts, keys;
  for (const v1::Identity& identity : identities) {
    CheckIdentity(identity);
    EXPECT_EQ(identity.spake2p_salt().size(), 20u);
    salts.insert(identity.spake2p_salt());
    keys.insert(ToText(matter::Certificate::Parse(AsBytes(identity.dac()))->public_key()));
  }
  EXPECT_EQ(salts.size(), 25u);
  EXPECT_EQ(keys.size(), 25u);
}

TEST_F(ReservePipelineTest, TheReserveIsFilledAgainAfterABurst) {
  ASSERT_TRUE(shop_.Open("lot", shop_.Light(), 100).ok());
  for (const char* round : {"a-", "b-", "c-"}) {
    EXPECT_EQ(Issue("lot", round, 10).size(), 10u);
    AwaitReady(10, 10);
  }
  const ReserveCounters counters = Counters();
  EXPECT_EQ(counters.verifiers.made, counters.verifiers.taken + 10);
  EXPECT_EQ(counters.keys.made, counters.keys.taken + 10);
}

TEST_F(ReservePipelineTest, ValuesOfTheLineAndKeysOfTheDeviceGoPastIt) {
  v1::ProductSpec spec = shop_.Light();
  spec.set_values_from_line(true);
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  ASSERT_TRUE(shop_.Open("lot", spec, 10).ok());
  ASSERT_TRUE(shop_.Open("drawn", shop_.Light(), 10).ok());
  ASSERT_EQ(Issue("drawn", "t-", 1).size(), 1u);
  AwaitReady(10, 10);

  const auto key = shop_.token->GenerateKey("device", hsm::KeyPurpose::kSigning);
  const Bytes point = ToBytes(*key->public_point);
  const Bytes info =
      matter::EncodeCsrInfo(matter::EncodeName(matter::MatterName("device", {}, {})), point);
  auto request = Workshop::Request("lot", "t-1");
  request.set_csr(ToText(matter::AssembleCsr(info, *shop_.token->Sign("device", Sha256(info)))));
  request.mutable_values()->set_passcode(19861989);
  const Outcome outcome = shop_.Issue(request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->identity().codes().passcode(), 19861989u);
  EXPECT_EQ(ToBytes(matter::Certificate::Parse(AsBytes(outcome->identity().dac()))->public_key()),
            point);
  auto salted = request;
  salted.set_ticket("t-2");
  const auto second_key = shop_.token->GenerateKey("device-2", hsm::KeyPurpose::kSigning);
  const Bytes second = matter::EncodeCsrInfo(
      matter::EncodeName(matter::MatterName("device", {}, {})), *second_key->public_point);
  salted.set_csr(
      ToText(matter::AssembleCsr(second, *shop_.token->Sign("device-2", Sha256(second)))));
  salted.mutable_values()->clear_passcode();
  salted.mutable_values()->set_salt(std::string(32, 's'));
  const Outcome with_salt = shop_.Issue(salted);
  ASSERT_TRUE(with_salt.ok()) << with_salt.status();
  EXPECT_EQ(with_salt->identity().spake2p_salt(), std::string(32, 's'));
  EXPECT_EQ(Counters().verifiers.taken, 0);
  EXPECT_EQ(Counters().keys.taken, 0);
}

TEST_F(ReservePipelineTest, ADeviceWithoutACertificateTakesAVerifierAndNoKey) {
  v1::ProductSpec spec = shop_.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  ASSERT_TRUE(shop_.Open("lot", spec, 10).ok());
  ASSERT_EQ(Issue("lot", "a-", 1).size(), 1u);
  AwaitReady(10, 0);
  ASSERT_EQ(Issue("lot", "b-", 1).size(), 1u);
  EXPECT_EQ(Counters().verifiers.taken, 1);
}

TEST_F(ReservePipelineTest, NoneIsKeptUnlessOneSaysSo) {
  EXPECT_EQ(PipelineOptions().reserve.size, 0);
  shop_.pipeline_options = PipelineOptions();
  ASSERT_TRUE(shop_.Open("lot", shop_.Light(), 10).ok());
  ASSERT_EQ(Issue("lot", "t-", 3).size(), 3u);
  EXPECT_EQ(Counters().verifiers.missed, 0);
  EXPECT_FALSE(shop_.Start().RunBatch(Pipeline::Queue::kReserve));
}

TEST_F(ReservePipelineTest, ADrainEndsTheFillingAndWhatIsUnderWayIsAnswered) {
  shop_.pipeline_options.reserve.size = kMaxReserve;
  ASSERT_TRUE(shop_.Open("lot", shop_.Light(), 10).ok());
  ASSERT_EQ(Issue("lot", "t-", 1).size(), 1u);
  while (Counters().keys.made == 0) std::this_thread::yield();
  shop_.pipeline->Drain();
  shop_.pipeline.reset();
}

TEST_F(ReservePipelineTest, ValuesThatWereAnotherUnitsAreDrawnAnewNotTaken) {
  Reserve reserve(shop_.random, shop_.clock, shop_.pipeline_options.reserve);
  auto plan = std::make_shared<lot::LotPlan>();
  plan->spec = shop_.Light();
  Work work;
  work.plan = plan;
  ASSERT_TRUE(Claim(work, shop_.random, shop_.clock, true, &reserve).ok());
  EXPECT_TRUE(NeedsVerifier(work)) << "the reserve was empty";
  while (reserve.FillStep()) {
  }
  ASSERT_TRUE(Claim(work, shop_.random, shop_.clock, true, &reserve).ok());
  EXPECT_FALSE(NeedsVerifier(work));
  const uint32_t taken = work.passcode;
  const Bytes salt = work.salt;
  work.draws = 1;
  ASSERT_TRUE(Claim(work, shop_.random, shop_.clock, true, &reserve).ok());
  EXPECT_TRUE(NeedsVerifier(work)) << "not the verifier of the values before";
  EXPECT_TRUE(work.verifier.empty());
  EXPECT_NE(std::pair(work.passcode, work.salt), std::pair(taken, salt));
  EXPECT_EQ(reserve.Counters().verifiers.taken, 1);
}

}  // namespace
}  // namespace assay::issue
