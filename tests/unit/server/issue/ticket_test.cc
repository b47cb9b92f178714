// What counts as the same ticket, and what is heard of one whose identity is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/issue/pipeline.h"
#include "server/lot/act.h"
#include "server/lot/lot_key.h"
#include "tests/unit/server/issue/refused_outcome.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

class TicketTest : public testing::Test {
 protected:
  Workshop shop;
};

TEST_F(TicketTest, EmptyValuesSayWhatAbsentOnesDo) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  auto with_empty = Workshop::Request("lot", "t-1");
  with_empty.mutable_values();
  const auto first = shop.Issue(with_empty);
  const auto second = shop.Issue(Workshop::Request("lot", "t-1"));
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->identity().SerializeAsString(), second->identity().SerializeAsString());
  const auto other = shop.Issue(Workshop::Request("lot", "t-2"));
  with_empty.set_ticket("t-2");
  const auto again = shop.Issue(with_empty);
  ASSERT_TRUE(other.ok() && again.ok()) << other.status() << again.status();
  EXPECT_TRUE(again->sealed_before());
}

TEST_F(TicketTest, ATicketIsRecordedByItsRequestAsItWasSent) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  auto sent = Workshop::Request("lot", "t-1");
  sent.mutable_values();
  ASSERT_TRUE(shop.Issue(sent).ok());
  lot::LotKeys keys(shop.token, shop.pipeline_options.wrapping_key);
  const db::Lot lot = *shop.store->FindLot("lot");
  const auto key = keys.Unwrap(lot);
  ASSERT_TRUE(key.ok()) << key.status();
  const db::TicketKey ticket{lot.id, "t-1"};
  const auto views = shop.store->FindTickets(std::span(&ticket, 1));
  ASSERT_TRUE(views.front().ok()) << views.front().status();
  EXPECT_EQ(views.front()->request_digest,
            lot::KeyedDigest(**key, AsBytes(lot::Deterministic(sent))));
}

TEST_F(TicketTest, ATicketThatAnOlderReleaseDigestedKeepsItsContent) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  lot::LotKeys keys(shop.token, shop.pipeline_options.wrapping_key);
  const db::Lot lot = *shop.store->FindLot("lot");
  const auto key = keys.Unwrap(lot);
  ASSERT_TRUE(key.ok()) << key.status();
  for (const bool empty_values : {false, true}) {
    auto asked = Workshop::Request("lot", empty_values ? "t-1" : "t-2");
    if (empty_values) asked.mutable_values();
    db::Intent intent;
    intent.lot_id = lot.id;
    intent.ticket = asked.ticket();
    intent.line = shop.line_caller.line;
    intent.device_id = "older-" + asked.ticket();
    intent.request_digest = lot::KeyedDigest(**key, AsBytes(lot::Deterministic(asked)));
    ASSERT_TRUE(shop.store->RecordIntents(std::span(&intent, 1), "older-release").front().ok());
    auto otherwise = asked;
    otherwise.mutable_values()->set_serial_number("SN-1");
    EXPECT_THAT(shop.Issue(otherwise), Refused(Reason::TICKET_CONFLICT)) << empty_values;
    EXPECT_TRUE(shop.Issue(asked).ok()) << empty_values;
  }
}

TEST_F(TicketTest, WhatBecameOfACompletionIsToldAndNotWhatBecameOfItsModule) {
  v1::ProductSpec bare = shop.Light();
  bare.mutable_image()->set_no_factory_image(true);
  bare.mutable_image()->mutable_secure_cert()->set_attestation(true);
  const auto opened = shop.Open("modules", bare, 1);
  ASSERT_TRUE(opened.ok()) << opened.status();
  v1::ProductSpec host = shop.Light();
  host.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  ASSERT_TRUE(shop.Open("hosts", host, 1).ok());
  const auto module = shop.Issue(Workshop::Request("modules", "m-1"));
  ASSERT_TRUE(module.ok()) << module.status();
  auto completion = Workshop::Request("hosts", "h-1");
  completion.mutable_module()->set_common_name(module->identity().device_id());
  const auto completed = shop.Issue(completion);
  ASSERT_TRUE(completed.ok()) << completed.status();
  v1::ConfirmRequest confirm;
  confirm.set_lot("hosts");
  confirm.set_ticket("h-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  const auto confirmed =
      Ask<v1::ConfirmResponse, v1::ConfirmRequest>(shop, &Pipeline::Confirm, confirm);
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  v1::GetSealedRequest fetch;
  fetch.set_lot("hosts");
  fetch.set_ticket("h-1");
  const auto gone = Ask<v1::IssueResponse, v1::GetSealedRequest>(shop, &Pipeline::Fetch, fetch);
  EXPECT_THAT(gone, Refused(Reason::IDENTITY_WIPED));
  EXPECT_THAT(std::string(gone.status().message()), testing::HasSubstr("was confirmed"));
}

TEST_F(TicketTest, WhoAsksForAnIdentityThatIsGoneHearsWhatBecameOfTheUnit) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const auto confirm = [&](const std::string& ticket, v1::Outcome outcome) {
    v1::ConfirmRequest request;
    request.set_lot("lot");
    request.set_ticket(ticket);
    request.set_outcome(outcome);
    return Ask<v1::ConfirmResponse, v1::ConfirmRequest>(shop, &Pipeline::Confirm, request).status();
  };
  const auto why = [&](const std::string& ticket) {
    v1::GetSealedRequest fetch;
    fetch.set_lot("lot");
    fetch.set_ticket(ticket);
    const auto got = Ask<v1::IssueResponse, v1::GetSealedRequest>(shop, &Pipeline::Fetch, fetch);
    EXPECT_THAT(got, Refused(Reason::IDENTITY_WIPED));
    return std::string(got.status().message());
  };
  for (const char* ticket : {"t-1", "t-2", "t-3"}) {
    const auto issued = shop.Issue(Workshop::Request("lot", ticket));
    ASSERT_TRUE(issued.ok()) << issued.status();
    if (ticket == std::string("t-3")) shop.store->MarkRevoked(issued->identity().device_id());
  }
  ASSERT_TRUE(confirm("t-1", v1::OUTCOME_PROVISIONED).ok());
  ASSERT_TRUE(confirm("t-2", v1::OUTCOME_SCRAPPED).ok());
  EXPECT_THAT(why("t-1"), testing::HasSubstr("was confirmed"));
  EXPECT_THAT(why("t-2"), testing::HasSubstr("was scrapped"));
  EXPECT_THAT(why("t-3"), testing::HasSubstr("was revoked"));
  const absl::Status revoked = confirm("t-3", v1::OUTCOME_PROVISIONED);
  EXPECT_TRUE(HasReason(revoked, Reason::CONFIRM_CONFLICT)) << revoked;
  EXPECT_EQ(revoked.message(),
            "outcome: the unit was revoked before anything was said of it (got PROVISIONED)");
  shop.line_caller.line = "line-2";
  const absl::Status theirs = confirm("t-1", v1::OUTCOME_PROVISIONED);
  EXPECT_TRUE(HasReason(theirs, Reason::TICKET_OF_ANOTHER_LINE)) << theirs;
  EXPECT_EQ(theirs.message(), "ticket: was used by another line (got t-1)");
}

}  // namespace
}  // namespace assay::issue
