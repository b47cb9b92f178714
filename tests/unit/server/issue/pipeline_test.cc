#include "server/issue/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <set>

#include "image/cms.h"
#include "image/nvs.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "matter/onboarding.h"
#include "server/issue/device_key.h"
#include "tests/unit/server/issue/refused_outcome.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

class PipelineTest : public testing::Test {
 protected:
  Workshop shop;
};

TEST_F(PipelineTest, ATicketYieldsACompleteIdentity) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const auto outcome = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const v1::Identity& identity = outcome->identity();
  const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
  const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
  ASSERT_TRUE(dac.ok() && pai.ok());
  EXPECT_TRUE(dac->IsSignedBy(*pai));
  EXPECT_EQ(dac->subject_ids()->vid, 0xFFF1);
  EXPECT_EQ(dac->subject_ids()->pid, 0x8000);
  EXPECT_EQ(dac->validity().not_after, matter::NeverExpires());
  const auto payload = matter::ParseQr(identity.codes().qr_code());
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(payload->passcode, identity.codes().passcode());
  ASSERT_EQ(identity.images_size(), 1);
  EXPECT_EQ(identity.images(0).content().size(), 0x6000u);
  EXPECT_TRUE(image::VerifyDetachedCms(AsBytes(identity.images(0).signature()),
                                       AsBytes(identity.images(0).content()),
                                       AsBytes(identity.image_certificate()))
                  .ok());
  for (int step = 1; step <= 8; ++step) {
    EXPECT_EQ(shop.observer.Count(static_cast<Step>(step)), 1) << StepName(static_cast<Step>(step));
  }
}

TEST_F(PipelineTest, OneUnitOneIdentityARetryReturnsTheSameBytes) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const auto first = shop.Issue(Workshop::Request("lot", "t-1"));
  const auto second = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_FALSE(first->sealed_before());
  EXPECT_TRUE(second->sealed_before());
  EXPECT_EQ(first->identity().SerializeAsString(), second->identity().SerializeAsString());
  EXPECT_EQ(shop.LotNow("lot").sealed(), 1u);
}

TEST_F(PipelineTest, AShortImageIsTheSameButForErasedFlash) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  shop.line_caller.takes_short_images = true;
  const auto shorter = shop.Issue(Workshop::Request("lot", "t-1"));
  shop.line_caller.takes_short_images = false;
  const auto whole = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(shorter.ok() && whole.ok()) << shorter.status() << whole.status();
  const std::string& content = whole->identity().images(0).content();
  const std::string& part = shorter->identity().images(0).content();
  EXPECT_LT(part.size(), 0x2000u);
  EXPECT_EQ(part + std::string(content.size() - part.size(), '\xFF'), content);
  v1::Identity filled = shorter->identity();
  EXPECT_EQ(filled.images(0).size(), 0x6000u);
  filled.mutable_images(0)->set_content(content);
  EXPECT_EQ(filled.SerializeAsString(), whole->identity().SerializeAsString());
}

TEST_F(PipelineTest, TheSameTicketAtOnceFromManyStationsIsOneIdentity) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 50).ok());
  const auto outcomes =
      shop.IssueAll(std::vector<v1::IssueRequest>(20, Workshop::Request("lot", "same")));
  std::set<std::string> bytes;
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    bytes.insert(outcome->identity().SerializeAsString());
  }
  EXPECT_EQ(bytes.size(), 1u);
  EXPECT_EQ(shop.LotNow("lot").claimed(), 1u);
}

TEST_F(PipelineTest, NeverOverQuotaExactlyTheCountSucceeds) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 7).ok());
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < 20; ++i)
    requests.push_back(Workshop::Request("lot", "t-" + std::to_string(i)));
  int issued = 0;
  for (const auto& outcome : shop.IssueAll(requests)) {
    if (outcome.ok()) {
      ++issued;
    } else {
      EXPECT_THAT(outcome, Refused(Reason::QUOTA_EXCEEDED));
      EXPECT_EQ(outcome.status().message(), "lot: the lot's count is used up (got lot)");
    }
  }
  EXPECT_EQ(issued, 7);
  EXPECT_EQ(shop.LotNow("lot").sealed(), 7u);
}

TEST_F(PipelineTest, TheSameTicketWithOtherContentIsAConflict) {
  v1::ProductSpec spec = shop.Light();
  spec.set_values_from_line(true);
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  ASSERT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
  auto other = Workshop::Request("lot", "t-1");
  other.mutable_values()->set_discriminator(7);
  EXPECT_THAT(shop.Issue(other), Refused(Reason::TICKET_CONFLICT));
}

TEST_F(PipelineTest, TheTicketOfAnotherLineIsRefused) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  ASSERT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
  shop.line_caller.line = "line-2";
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-1")), Refused(Reason::TICKET_OF_ANOTHER_LINE));
}

TEST_F(PipelineTest, UnknownAndClosedLotsAreRefused) {
  shop.line_caller.factories = {"*"};
  EXPECT_THAT(shop.Issue(Workshop::Request("nowhere", "t-1")), Refused(Reason::LOT_UNKNOWN));
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  v1::CloseLotRequest close;
  close.set_request_id(shop.NextId());
  close.set_name("lot");
  ASSERT_TRUE(shop.catalog->CloseLot(shop.operator_caller, close).ok());
  const auto closed = shop.Issue(Workshop::Request("lot", "t-1"));
  EXPECT_THAT(closed, Refused(Reason::LOT_NOT_OPEN));
  EXPECT_EQ(closed.status().message(), "lot: the lot is closed (got lot)");
}

TEST_F(PipelineTest, ALineOfAnotherFactoryLearnsNothingOfTheLot) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  shop.line_caller.factories = {"elsewhere"};
  const auto there = shop.Issue(Workshop::Request("lot", "t-1"));
  const auto nowhere = shop.Issue(Workshop::Request("lost", "t-1"));
  EXPECT_THAT(there, Refused(Reason::LOT_NOT_GRANTED));
  EXPECT_THAT(nowhere, Refused(Reason::LOT_NOT_GRANTED));
}

TEST_F(PipelineTest, GivenValuesReachImageCodesAndRecord) {
  v1::ProductSpec spec = shop.Light();
  spec.set_values_from_line(true);
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  auto request = Workshop::Request("lot", "t-1");
  request.mutable_values()->set_passcode(19861989);
  request.mutable_values()->set_discriminator(0);
  request.mutable_values()->set_serial_number("esp32c_dev3");
  const auto outcome = shop.Issue(request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto payload = matter::ParseQr(outcome->identity().codes().qr_code());
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(payload->passcode, 19861989u);
  EXPECT_EQ(payload->discriminator, 0);
  EXPECT_EQ(outcome->identity().serial_number(), "esp32c_dev3");
}

TEST_F(PipelineTest, BadValuesAreRefusedByFieldAndCostNoQuota) {
  v1::ProductSpec spec = shop.Light();
  spec.set_values_from_line(true);
  ASSERT_TRUE(shop.Open("lot", spec, 1).ok());
  auto forbidden = Workshop::Request("lot", "t-1");
  forbidden.mutable_values()->set_passcode(11111111);
  EXPECT_THAT(shop.Issue(forbidden), Refused(Reason::PASSCODE_FORBIDDEN));
  auto high = Workshop::Request("lot", "t-1");
  high.mutable_values()->set_discriminator(4096);
  EXPECT_THAT(shop.Issue(high), Refused(Reason::FIELD_OUT_OF_RANGE));
  auto long_serial = Workshop::Request("lot", "t-1");
  long_serial.mutable_values()->set_serial_number(std::string(33, 'x'));
  EXPECT_THAT(shop.Issue(long_serial), Refused(Reason::FIELD_TOO_LONG));
  auto broken_serial = Workshop::Request("lot", "t-1");
  broken_serial.mutable_values()->set_serial_number("a\nb");
  EXPECT_THAT(shop.Issue(broken_serial), Refused(Reason::FIELD_MALFORMED));
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "")), Refused(Reason::FIELD_REQUIRED));
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", std::string(129, 'x'))),
              Refused(Reason::FIELD_TOO_LONG));
  EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  EXPECT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
}

TEST_F(PipelineTest, ADuplicateSerialNumberInALotIsRefused) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  auto first = Workshop::Request("lot", "t-1");
  first.mutable_values()->set_serial_number("SN-1");
  auto second = Workshop::Request("lot", "t-2");
  second.mutable_values()->set_serial_number("SN-1");
  ASSERT_TRUE(shop.Issue(first).ok());
  const auto taken = shop.Issue(second);
  EXPECT_THAT(taken, Refused(Reason::SERIAL_NUMBER_TAKEN));
  EXPECT_EQ(RefusalOf(taken.status())->field, "values.serial_number");
  EXPECT_EQ(shop.LotNow("lot").claimed(), 1u);
}

// A request signed by a key made here, as a device would.
std::string Csr(Workshop& shop, const std::string& label) {
  const auto key = shop.token->GenerateKey(label, hsm::KeyPurpose::kSigning);
  const Bytes info = matter::EncodeCsrInfo(matter::EncodeName(matter::MatterName("device", {}, {})),
                                           *key->public_point);
  return ToText(matter::AssembleCsr(info, *shop.token->Sign(label, Sha256(info))));
}

TEST_F(PipelineTest, ACsrGivesAnIdentityWithoutAnyPrivateKey) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  auto request = Workshop::Request("lot", "t-1");
  request.set_csr(Csr(shop, "device-1"));
  const auto outcome = shop.Issue(request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto entries = image::ParseNvs(AsBytes(outcome->identity().images(0).content()));
  ASSERT_TRUE(entries.ok());
  for (const image::NvsEntry& entry : *entries) EXPECT_NE(entry.key, "dac-key");

  auto reused = Workshop::Request("lot", "t-2");
  reused.set_csr(request.csr());
  const auto refused = shop.Issue(reused);
  EXPECT_THAT(refused, Refused(Reason::PUBLIC_KEY_REUSED));
  EXPECT_EQ(refused.status().message(), "csr: a certificate for this key exists");
  auto broken = Workshop::Request("lot", "t-3");
  broken.set_csr(Csr(shop, "device-3"));
  broken.mutable_csr()->back() ^= 1;
  EXPECT_THAT(shop.Issue(broken), Refused(Reason::CSR_SIGNATURE));
  auto large = Workshop::Request("lot", "t-4");
  large.set_csr(std::string(2000, 'x'));
  EXPECT_THAT(shop.Issue(large), Refused(Reason::CSR_TOO_LARGE));
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-5")), Refused(Reason::FIELD_REQUIRED));
  EXPECT_EQ(shop.LotNow("lot").claimed(), 1u);
}

TEST_F(PipelineTest, AnHsmThatRefusesGivesTheQuotaBack) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 1).ok());
  shop.Start();
  shop.token->SetBeforeCall([](std::string_view call, std::string_view) {
    return call == "Sign" ? Refuse(Reason::HSM_UNAVAILABLE, "the token is gone") : absl::OkStatus();
  });
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-1")), Refused(Reason::HSM_UNAVAILABLE));
  EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  shop.token->SetBeforeCall(nullptr);
  EXPECT_TRUE(shop.Issue(Workshop::Request("lot", "t-1")).ok());
}

TEST_F(PipelineTest, WithoutAttestationTheImageCarriesNoDac) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  const auto outcome = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->identity().dac().empty());
  const auto entries = image::ParseNvs(AsBytes(outcome->identity().images(0).content()));
  ASSERT_TRUE(entries.ok());
  for (const image::NvsEntry& entry : *entries)
    EXPECT_FALSE(entry.key.starts_with("dac-")) << entry.key;
}

TEST_F(PipelineTest, KeyPartitionsAreWithheldFromLinesWithoutTheRole) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_image()->set_encryption(v1::NVS_ENCRYPTION_FLASH);
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  const auto with = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(with.ok()) << with.status();
  ASSERT_EQ(with->identity().images_size(), 2);
  EXPECT_EQ(with->identity().images(1).content().size(), 4096u);
  shop.line_caller.roles.erase(access::Role::kKeys);
  const auto without = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(without.ok());
  EXPECT_TRUE(without->identity().images(1).withheld());
  EXPECT_GT(without->identity().images(1).size(), 0u);
  EXPECT_TRUE(without->identity().images(1).content().empty());
  EXPECT_EQ(without->identity().images(1).sha256(), with->identity().images(1).sha256());
}

TEST_F(PipelineTest, ADeclarationForAnotherProductIsRefusedBeforeAnythingIsIssued) {
  v1::ProductSpec spec = shop.Light();
  spec.set_certification_declaration(shop.Declaration(0xFFF1, 0x8001));
  EXPECT_THAT(shop.Open("lot", spec, 5), Refused(Reason::CD_MISMATCH));
  v1::ProductSpec long_name = shop.Light();
  long_name.set_vendor_name(std::string(33, 'x'));
  EXPECT_THAT(shop.Open("lot", long_name, 5), Refused(Reason::FIELD_TOO_LONG));
}

TEST_F(PipelineTest, AValidFromBeforeThePaiOrInTheFutureIsRefusedAndNeverMoved) {
  for (const absl::Duration shift : {-absl::Hours(24 * 365), absl::Hours(24)}) {
    v1::ProductSpec spec = shop.Light();
    spec.mutable_dac()->mutable_valid_from()->set_seconds(
        absl::ToUnixSeconds(shop.clock.Now() + shift));
    const auto lot = shop.Open("lot", spec, 5);
    EXPECT_THAT(lot, Refused(Reason::FIELD_OUT_OF_RANGE));
    EXPECT_EQ(RefusalOf(lot.status())->field, "product");
    EXPECT_THAT(RefusalOf(lot.status())->rule, ::testing::HasSubstr("spec.dac.valid_from"));
  }
}

TEST_F(PipelineTest, FetchReturnsASealedIdentityAndNeverIssues) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const auto fetch = [&](const std::string& ticket) {
    v1::GetSealedRequest request;
    request.set_lot("lot");
    request.set_ticket(ticket);
    Outcome got = absl::UnknownError("no answer");
    std::mutex mutex;
    std::condition_variable answered;
    bool done = false;
    shop.Start().Fetch(shop.line_caller, request, Deadline::In(std::chrono::minutes(1)),
                       [&](Outcome outcome) {
                         const std::lock_guard lock(mutex);
                         got = std::move(outcome);
                         done = true;
                         answered.notify_all();
                       });
    std::unique_lock lock(mutex);
    answered.wait(lock, [&] { return done; });
    return got;
  };
  EXPECT_THAT(fetch("t-1"), Refused(Reason::TICKET_UNKNOWN));
  const auto issued = shop.Issue(Workshop::Request("lot", "t-1"));
  const auto fetched = fetch("t-1");
  ASSERT_TRUE(issued.ok() && fetched.ok());
  EXPECT_EQ(issued->identity().SerializeAsString(), fetched->identity().SerializeAsString());
}

TEST_F(PipelineTest, WhatIsSealedIsGivenAgainAndConfirmedAfterItsPaiWasRetired) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const auto issued = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(issued.ok()) << issued.status();
  v1::RetirePaiRequest retire;
  retire.set_request_id(shop.NextId());
  retire.set_name("pai-fff1");
  ASSERT_TRUE(shop.authority->RetirePai(shop.operator_caller, retire).ok());
  shop.pipeline.reset();  // the plans of lots are kept for seconds

  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-2")), Refused(Reason::PAI_UNKNOWN));
  const auto again = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->identity().SerializeAsString(), issued->identity().SerializeAsString());
  v1::GetSealedRequest fetch;
  fetch.set_lot("lot");
  fetch.set_ticket("t-1");
  EXPECT_TRUE((Ask<v1::IssueResponse, v1::GetSealedRequest>(shop, &Pipeline::Fetch, fetch)).ok());
  v1::ConfirmRequest confirm;
  confirm.set_lot("lot");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  const auto confirmed =
      Ask<v1::ConfirmResponse, v1::ConfirmRequest>(shop, &Pipeline::Confirm, confirm);
  EXPECT_TRUE(confirmed.ok()) << confirmed.status();
  EXPECT_EQ(shop.LotNow("lot").claimed(), 1u);
}

TEST_F(PipelineTest, ConfirmingAnUnknownLotLooksLikeALotThatIsNotGranted) {
  shop.line_caller.factories = {"elsewhere"};
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  for (const char* lot : {"lot", "nowhere"}) {
    v1::ConfirmRequest confirm;
    confirm.set_lot(lot);
    confirm.set_ticket("t-1");
    confirm.set_outcome(v1::OUTCOME_PROVISIONED);
    EXPECT_THAT((Ask<v1::ConfirmResponse, v1::ConfirmRequest>(shop, &Pipeline::Confirm, confirm)),
                Refused(Reason::LOT_NOT_GRANTED))
        << lot;
  }
}

TEST_F(PipelineTest, AnOperatorOfOneFactoryOpensAndClosesNoLotOfAnother) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  access::Caller elsewhere = shop.operator_caller;
  elsewhere.factories = {"elsewhere"};
  v1::CloseLotRequest close;
  close.set_request_id(shop.NextId());
  close.set_name("lot");
  EXPECT_THAT(shop.catalog->CloseLot(elsewhere, close), Refused(Reason::LOT_NOT_GRANTED));
  v1::RaiseLotRequest raise;
  raise.set_request_id(shop.NextId());
  raise.set_name("lot");
  raise.set_count(50);
  EXPECT_THAT(shop.catalog->RaiseLot(elsewhere, raise), Refused(Reason::LOT_NOT_GRANTED));
  v1::OpenLotRequest open;
  open.set_request_id(shop.NextId());
  open.set_name("lot-2");
  open.set_product("product-lot");
  open.set_factory("shenzhen");
  open.set_count(1);
  EXPECT_THAT(shop.catalog->OpenLot(elsewhere, open), Refused(Reason::LOT_NOT_GRANTED));
  const auto seen = shop.catalog->ListLots(elsewhere, {});
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_EQ(seen->lots_size(), 0);
  EXPECT_EQ(shop.LotNow("lot").count(), 5u);
}

TEST_F(PipelineTest, ADrainingPipelineRefusesNewTickets) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  shop.Start().Drain();
  EXPECT_THAT(shop.Issue(Workshop::Request("lot", "t-1")), Refused(Reason::DRAINING));
}

}  // namespace
}  // namespace assay::issue
