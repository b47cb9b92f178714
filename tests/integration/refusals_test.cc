// Refusals of the calls beside issuing: what they name, and that each has the reason that fits.
#include <gtest/gtest.h>

#include "assay/v1/approval.grpc.pb.h"
#include "assay/v1/bundle.grpc.pb.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "assay/v1/witness.grpc.pb.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

class RefusalsTest : public ::testing::Test {
 protected:
  auto Catalog(const char* caller) { return v1::CatalogService::NewStub(office.ChannelAs(caller)); }
  auto Ledger(const char* caller) { return v1::LedgerService::NewStub(office.ChannelAs(caller)); }

  std::string IssueOne(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    const grpc::Status status = office.Issue(Office::Request(lot, ticket), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity().device_id();
  }
  static void ExpectNames(const grpc::Status& status, const std::string& reason,
                          const std::string& field, const std::string& value) {
    EXPECT_EQ(ReasonIn(status), reason);
    EXPECT_EQ(MetadataIn(status, "field"), field) << reason;
    EXPECT_EQ(MetadataIn(status, "value"), value) << reason;
    EXPECT_NE(MetadataIn(status, "rule"), "") << reason;
  }

  Office& office = Office::Shared();
};

TEST_F(RefusalsTest, AListingOfLotsGoesOnByATokenOfItsOwn) {
  for (const char* lot : {"listed-1", "listed-2", "listed-3"}) {
    office.OpenLot(lot, office.Light(), 1, "listing");
  }
  v1::ListLotsRequest list;
  list.set_factory("listing");
  list.set_page_size(1);
  v1::ListLotsResponse page;
  std::vector<std::string> listed;
  do {
    ASSERT_TRUE(Catalog(kOperator)->ListLots(Context().get(), list, &page).ok());
    for (const v1::Lot& lot : page.lots()) listed.push_back(lot.name());
    if (!page.next_page_token().empty()) list.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  EXPECT_EQ(listed, (std::vector<std::string>{"listed-1", "listed-2", "listed-3"}));

  const auto asked = [&](const v1::ListLotsRequest& request, const char* caller = kOperator) {
    return ReasonIn(Catalog(caller)->ListLots(Context().get(), request, &page));
  };
  EXPECT_EQ(asked(list), "");
  EXPECT_EQ(asked(list, kAuditor), "PAGE_TOKEN_INVALID");
  v1::ListLotsRequest other = list;
  other.set_factory("north");
  EXPECT_EQ(asked(other), "PAGE_TOKEN_INVALID");
  for (const std::string& token :
       {std::string("garbage"), std::string(5000, 'x'), std::string("listed-1")}) {
    other = list;
    other.set_page_token(token);
    EXPECT_EQ(asked(other), "PAGE_TOKEN_INVALID") << token;
  }
  v1::ListProductsRequest products;
  products.set_page_token(list.page_token());
  v1::ListProductsResponse some;
  EXPECT_EQ(ReasonIn(Catalog(kOperator)->ListProducts(Context().get(), products, &some)),
            "PAGE_TOKEN_INVALID");
}

TEST_F(RefusalsTest, APageOfMoreThanAThousandIsRefused) {
  v1::ListLotsRequest lots;
  lots.set_page_size(0xFFFFFFFF);
  v1::ListLotsResponse page;
  ExpectNames(Catalog(kOperator)->ListLots(Context().get(), lots, &page), "FIELD_OUT_OF_RANGE",
              "page_size", "4294967295");
  lots.set_page_size(1000);
  EXPECT_TRUE(Catalog(kOperator)->ListLots(Context().get(), lots, &page).ok());
  v1::ListProposalsRequest proposals;
  proposals.set_page_size(1001);
  v1::ListProposalsResponse open;
  ExpectNames(v1::ApprovalService::NewStub(office.ChannelAs(kOperator))
                  ->ListProposals(Context().get(), proposals, &open),
              "FIELD_OUT_OF_RANGE", "page_size", "1001");
}

TEST_F(RefusalsTest, TheServerNamesALineOnlyWhereTheGrantDoes) {
  v1::Server server;
  ASSERT_TRUE(Catalog(kOperator)->GetServer(Context().get(), {}, &server).ok());
  EXPECT_EQ(server.caller(), kOperator);
  EXPECT_EQ(server.line(), "");
}

TEST_F(RefusalsTest, WhatTheLedgerDoesNotHaveIsUnknownAndNotPending) {
  const auto ledger = Ledger(kAuditor);
  // Before the first checkpoint is signed everything is pending.
  v1::GetCheckpointResponse first;
  grpc::Status signed_first = ledger->GetCheckpoint(Context().get(), {}, &first);
  while (ReasonIn(signed_first) == "LEDGER_PENDING") {
    signed_first = ledger->GetCheckpoint(Context().get(), {}, &first);
  }
  ASSERT_TRUE(signed_first.ok()) << signed_first.error_message();
  for (const uint64_t size : {uint64_t{1'000'000}, ~uint64_t{0}}) {
    v1::GetCheckpointRequest request;
    request.set_size(size);
    v1::GetCheckpointResponse checkpoint;
    const grpc::Status status = ledger->GetCheckpoint(Context().get(), request, &checkpoint);
    ExpectNames(status, "LEDGER_UNKNOWN", "size", std::to_string(size));
    EXPECT_FALSE(HasRetryInfo(status));
  }
  v1::GetInclusionProofRequest proof;
  proof.set_index(1'000'000);
  v1::GetInclusionProofResponse proven;
  ExpectNames(ledger->GetInclusionProof(Context().get(), proof, &proven), "LEDGER_UNKNOWN", "index",
              "1000000");
  v1::GetConsistencyProofRequest growth;
  growth.set_old_size(1'000'000);
  v1::GetConsistencyProofResponse grown;
  ExpectNames(ledger->GetConsistencyProof(Context().get(), growth, &grown), "LEDGER_UNKNOWN",
              "old_size", "1000000");
  v1::ReadTileRequest tile;
  tile.set_width(1);
  tile.set_index(1'000'000);
  v1::ReadTileResponse hashes;
  ExpectNames(ledger->ReadTile(Context().get(), tile, &hashes), "LEDGER_UNKNOWN", "index",
              "0/1000000");
}

TEST_F(RefusalsTest, ALotsUnitsAreNotFetchedWithoutTheLotsName) {
  const auto context = Context();
  v1::FetchLotResponse unit;
  const auto stub = v1::BundleService::NewStub(office.ChannelAs(kLine));
  const auto stream = stub->FetchLot(context.get(), {});
  EXPECT_FALSE(stream->Read(&unit));
  ExpectNames(stream->Finish(), "FIELD_REQUIRED", "lot", "");
}

TEST_F(RefusalsTest, AListBegunForOneLotIsNotSignedForAnother) {
  const auto context = Context();
  v1::SignBundleResponse response;
  const auto stub = v1::BundleService::NewStub(office.ChannelAs(kLine));
  const auto writer = stub->SignBundle(context.get(), &response);
  v1::SignBundleRequest piece;
  piece.set_lot("begun");
  ASSERT_TRUE(writer->Write(piece));
  piece.set_lot("another");
  writer->Write(piece);
  writer->WritesDone();
  ExpectNames(writer->Finish(), "FIELDS_CONTRADICT", "lot", "another");
}

// Nobody learns of another's devices: the answer is that to a device that is not there.
TEST_F(RefusalsTest, ADeviceOfOthersIsUnknownInTheSameWordsAsNone) {
  office.OpenLot("others", office.Light(), 1);
  const std::string device = IssueOne("others", "t-1");
  const std::string nobodys = device.substr(0, device.size() - 4) + "0000";
  v1::GetReceiptsRequest request;
  v1::GetReceiptsResponse receipts;
  std::vector<std::string> rules;
  for (const std::string& asked : {device, nobodys}) {
    request.set_device_id(asked);
    const grpc::Status status =
        Ledger(kSouthLine)->GetReceipts(Context().get(), request, &receipts);
    ExpectNames(status, "DEVICE_UNKNOWN", "device_id", asked);
    rules.push_back(MetadataIn(status, "rule"));
  }
  EXPECT_EQ(rules[0], rules[1]);
  request.mutable_ticket()->set_lot("others");
  request.mutable_ticket()->set_ticket("t-1");
  ExpectNames(Ledger(kPlainLine)->GetReceipts(Context().get(), request, &receipts),
              "TICKET_OF_ANOTHER_LINE", "ticket.ticket", "t-1");
}

}  // namespace
}  // namespace assay::integration
