#include "server/revoke/verification.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/server/revoke/office.h"

namespace assay::revoke {
namespace {

class VerificationTest : public testing::Test {
 protected:
  std::set<std::string> Fields(const v1::VerifyDeviceResponse& response) {
    std::set<std::string> fields;
    for (const auto& finding : response.findings()) fields.insert(finding.field());
    return fields;
  }
  Office office_;
};

TEST_F(VerificationTest, AUnitThatHoldsWhatItWasIssuedPassesAndTheResultIsRecorded) {
  const Unit unit = office_.Issue("t1");
  const v1::VerifyDeviceResponse response = office_.Verify(unit);
  EXPECT_TRUE(response.passed()) << response.DebugString();
  EXPECT_EQ(response.result(), 0u);
  EXPECT_EQ(response.result_name(), "Success");
  EXPECT_EQ(response.device_id(), unit.identity.device_id());
  const auto entries = office_.shop.store->LedgerEntries();
  EXPECT_EQ(entries.back().first, "device.verify");
  EXPECT_NE(entries.back().second.find("\"device\":\"" + unit.identity.device_id()),
            std::string::npos);
}

TEST_F(VerificationTest, AUnitIsFoundByLotAndTicketToo) {
  const Unit unit = office_.Issue("t1");
  v1::BeginVerificationRequest request;
  request.set_lot("L1");
  request.set_ticket("t1");
  const auto begun = office_.verification->Begin(office_.shop.line_caller, request);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->device_id(), unit.identity.device_id());
  EXPECT_EQ(begun->nonce().size(), 32u);
  EXPECT_EQ(begun->challenge().size(), 16u);
  EXPECT_TRUE(office_.Finish(office_.AnswerOf(unit, *begun))->passed());

  request.set_ticket("t2");
  EXPECT_REFUSED(office_.verification->Begin(office_.shop.line_caller, request).status(),
                 TICKET_UNKNOWN);
  request.set_device_id(unit.identity.device_id());
  EXPECT_REFUSED(office_.verification->Begin(office_.shop.line_caller, request).status(),
                 FIELDS_CONTRADICT);
  EXPECT_REFUSED(office_.verification->Begin(office_.shop.line_caller, {}).status(),
                 FIELD_REQUIRED);
}

TEST_F(VerificationTest, AReplayedNonceIsRefusedAndARetryIsAnsweredTheSame) {
  const Unit unit = office_.Issue("t1");
  const auto begun = office_.Begin(unit);
  const v1::VerifyDeviceRequest answer = office_.AnswerOf(unit, *begun);
  const auto first = office_.Finish(answer);
  const auto again = office_.Finish(answer);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  v1::VerifyDeviceRequest other = answer;
  other.mutable_signature()->back() ^= 1;
  EXPECT_REFUSED(office_.Finish(other).status(), REQUEST_CONFLICT);
}

TEST_F(VerificationTest, ANonceOfAnotherDeviceIsRefused) {
  const Unit one = office_.Issue("t1");
  const Unit two = office_.Issue("t2");
  const auto begun = office_.Begin(one);
  EXPECT_REFUSED(office_.Finish(office_.AnswerOf(two, *begun)).status(), FIELDS_CONTRADICT);
  // A device that signs over another's nonce under its own verification.
  const auto own = office_.Begin(two);
  v1::VerifyDeviceRequest answer = office_.AnswerOf(two, *begun);
  answer.set_verification_id(own->verification_id());
  EXPECT_EQ(office_.Finish(answer)->result(), 500u);  // the challenge differs as well
}

TEST_F(VerificationTest, AnUnknownOrExpiredVerificationIsRefused) {
  const Unit unit = office_.Issue("t1");
  const auto begun = office_.Begin(unit);
  v1::VerifyDeviceRequest answer = office_.AnswerOf(unit, *begun);
  v1::VerifyDeviceRequest unknown = answer;
  unknown.set_verification_id("0000");
  EXPECT_REFUSED(office_.Finish(unknown).status(), VERIFICATION_UNKNOWN);
  office_.clock.ahead = absl::Minutes(3);
  EXPECT_REFUSED(office_.Finish(answer).status(), VERIFICATION_UNKNOWN);
}

TEST_F(VerificationTest, ALineWithoutTheLotLearnsNothing) {
  const Unit unit = office_.Issue("t1");
  access::Caller other = office_.shop.line_caller;
  other.factories = {"elsewhere"};
  v1::BeginVerificationRequest request;
  request.set_device_id(unit.identity.device_id());
  const absl::Status refused = office_.verification->Begin(other, request).status();
  EXPECT_REFUSED(refused, DEVICE_UNKNOWN);
  EXPECT_EQ(refused.message().find(unit.identity.lot()), absl::string_view::npos) << refused;
  const auto begun = office_.Begin(unit);
  EXPECT_REFUSED(office_.verification->Finish(other, office_.AnswerOf(unit, *begun)).status(),
                 DEVICE_UNKNOWN);
  request.set_device_id("nobody");
  EXPECT_REFUSED(office_.verification->Begin(office_.shop.line_caller, request).status(),
                 DEVICE_UNKNOWN);
}

TEST_F(VerificationTest, AUnitWithAnothersIdentityFailsThoughACommissionerWouldTakeIt) {
  const Unit mine = office_.Issue("t1");
  const Unit others = office_.Issue("t2");
  const auto begun = office_.Begin(mine);
  Unit swapped = others;
  swapped.identity.set_device_id(mine.identity.device_id());
  const auto response = office_.Finish(office_.AnswerOf(swapped, *begun));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->result(), 0u);
  EXPECT_FALSE(response->passed());
  EXPECT_EQ(Fields(*response), std::set<std::string>{"dac.issued"});
}

TEST_F(VerificationTest, WrongSignatureNonceAndDeclarationBearTheSdksNumbers) {
  const Unit unit = office_.Issue("t1");
  auto begun = office_.Begin(unit);
  v1::VerifyDeviceRequest answer = office_.AnswerOf(unit, *begun);
  answer.mutable_signature()->back() ^= 1;
  EXPECT_EQ(office_.Finish(answer)->result(), 500u);

  begun = office_.Begin(unit);
  v1::BeginVerificationResponse stale = *begun;
  stale.set_nonce(std::string(32, 'x'));
  EXPECT_EQ(office_.Finish(office_.AnswerOf(unit, stale))->result(), 502u);

  begun = office_.Begin(unit);
  Unit other = unit;
  other.identity.set_certification_declaration(office_.shop.Declaration(0xFFF1, 0x8001));
  const auto response = office_.Finish(office_.AnswerOf(other, *begun));
  EXPECT_EQ(response->result(), 605u);
  EXPECT_TRUE(Fields(*response).contains("cd.issued"));

  begun = office_.Begin(unit);
  answer = office_.AnswerOf(unit, *begun);
  answer.set_pai("x");
  EXPECT_EQ(office_.Finish(answer)->result(), 203u);
}

TEST_F(VerificationTest, FirmwareInformationIsComparedWhereTheLineExpectsIt) {
  const Unit unit = office_.Issue("t1");
  const auto check = [&](const std::string& held, const std::string& expected) {
    const auto begun = office_.Begin(unit);
    v1::VerifyDeviceRequest answer = office_.AnswerOf(unit, *begun, held);
    answer.set_firmware_information(expected);
    return office_.Finish(answer)->result();
  };
  EXPECT_EQ(check("fw-1", "fw-1"), 0u);
  EXPECT_EQ(check("fw-1", ""), 0u);
  EXPECT_EQ(check("fw-1", "fw-2"), 400u);
  EXPECT_EQ(check("", "fw-2"), 401u);
}

TEST_F(VerificationTest, ARevokedDeviceFailsWith302ItsPaiWith202AndBothWith208) {
  const Unit one = office_.Issue("t1");
  const Unit two = office_.Issue("t2");
  office_.Revoke(one);
  EXPECT_EQ(office_.Verify(one).result(), 302u);
  EXPECT_TRUE(office_.Verify(two).passed());
  office_.RevokePai("pai-fff1");
  EXPECT_EQ(office_.Verify(two).result(), 202u);
  EXPECT_EQ(office_.Verify(one).result(), 208u);
}

TEST_F(VerificationTest, AnAnswerWithoutItsPartsOrTooLargeIsRefused) {
  const Unit unit = office_.Issue("t1");
  const auto begun = office_.Begin(unit);
  v1::VerifyDeviceRequest answer = office_.AnswerOf(unit, *begun);
  answer.set_dac(std::string(5000, 'x'));
  EXPECT_REFUSED(office_.Finish(answer).status(), FIELD_TOO_LONG);
  answer.clear_dac();
  EXPECT_REFUSED(office_.Finish(answer).status(), FIELD_REQUIRED);
}

}  // namespace
}  // namespace assay::revoke
