// Refusals of the calls beside issuing: what they name, and that each has the reason that fits.
#include <gtest/gtest.h>

#include "assay/v1/approval.grpc.pb.h"
#include "assay/v1/bundle.grpc.pb.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "assay/v1/lot.grpc.pb.h"
#include "assay/v1/pai_key.grpc.pb.h"
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

TEST_F(RefusalsTest, AWitnesssSigningKeyIsNotTold) {
  const std::string secret = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh";
  v1::AddCosignatureRequest request;
  request.set_verifier_key("PRIVATE+KEY+witness.example+0badcafe+" + secret);
  request.set_note("note");
  v1::AddCosignatureResponse response;
  const grpc::Status status = v1::WitnessService::NewStub(office.ChannelAs(kAuditor))
                                  ->AddCosignature(Context().get(), request, &response);
  ExpectNames(status, "FIELD_MALFORMED", "verifier_key", "");
  EXPECT_EQ(status.error_message().find("AQIDBA"), std::string::npos) << status.error_message();
  EXPECT_EQ(status.error_details().find("AQIDBA"), std::string::npos);
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
  for (const uint64_t index : {uint64_t{1'000'000}, ~uint64_t{0}}) {
    v1::GetInclusionProofRequest proof;
    proof.set_index(index);
    v1::GetInclusionProofResponse proven;
    ExpectNames(ledger->GetInclusionProof(Context().get(), proof, &proven), "LEDGER_UNKNOWN",
                "index", std::to_string(index));
  }
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

TEST_F(RefusalsTest, WhatIsMissingIsSaidToBeMissingAndNotUnknown) {
  const auto audit = v1::AuditService::NewStub(office.ChannelAs(kAuditor));
  v1::GetDeviceRequest device;
  device.set_device_id("");
  v1::ManifestRow row;
  ExpectNames(audit->GetDevice(Context().get(), device, &row), "FIELD_REQUIRED", "device_id", "");
  const auto authority = v1::AuthorityService::NewStub(office.ChannelAs(kAuditor));
  v1::Crl crl;
  ExpectNames(authority->GetCrl(Context().get(), {}, &crl), "FIELD_REQUIRED", "issuer", "");
  v1::GetReceiptsRequest of_ticket;
  of_ticket.mutable_ticket();
  v1::GetReceiptsResponse receipts;
  ExpectNames(Ledger(kAuditor)->GetReceipts(Context().get(), of_ticket, &receipts),
              "FIELD_REQUIRED", "ticket.lot", "");
  v1::OpenLotRequest open;
  open.set_request_id(office.NextId());
  open.set_name("without-product");
  open.set_factory("north");
  open.set_count(1);
  v1::Lot lot;
  ExpectNames(Catalog(kOperator)->OpenLot(Context().get(), open, &lot), "FIELD_REQUIRED", "product",
              "");
  v1::ApplyProductRequest apply;
  apply.set_request_id(office.NextId());
  apply.set_name("without-spec");
  v1::Product product;
  ExpectNames(Catalog(kOperator)->ApplyProduct(Context().get(), apply, &product), "FIELD_REQUIRED",
              "spec", "");
  const auto approvals = v1::ApprovalService::NewStub(office.ChannelAs(kOperator));
  v1::ProposeRequest propose;
  propose.mutable_act()->mutable_open_lot()->set_request_id(office.NextId());
  v1::ProposeResponse proposed;
  ExpectNames(approvals->Propose(Context().get(), propose, &proposed), "FIELD_REQUIRED",
              "act.open_lot.name", "");
}

TEST_F(RefusalsTest, ANameThatIsTooLongIsToldByItsBeginning) {
  v1::GetLotRequest request;
  request.set_name(std::string(200, 'n'));
  v1::Lot lot;
  ExpectNames(Catalog(kOperator)->GetLot(Context().get(), request, &lot), "FIELD_TOO_LONG", "name",
              std::string(64, 'n') + "... of 200 bytes");
  request.set_name("no/name");
  ExpectNames(Catalog(kOperator)->GetLot(Context().get(), request, &lot), "FIELD_MALFORMED", "name",
              "no/name");
  request.set_name("nobodys");
  ExpectNames(Catalog(kOperator)->GetLot(Context().get(), request, &lot), "LOT_UNKNOWN", "name",
              "nobodys");
}

TEST_F(RefusalsTest, AProductsFaultsAreToldByTheirPathAndTheFirstOneFirst) {
  v1::ApplyProductRequest apply;
  apply.set_request_id(office.NextId());
  apply.set_name("faulty");
  const auto expect = [&](const v1::ProductSpec& spec, const char* reason, const char* field,
                          const char* value) {
    *apply.mutable_spec() = spec;
    v1::Product product;
    ExpectNames(Catalog(kOperator)->ApplyProduct(Context().get(), apply, &product), reason, field,
                value);
  };
  v1::ProductSpec spec = office.Light();
  spec.mutable_dac()->set_attestation(static_cast<v1::Attestation>(77));
  expect(spec, "FIELD_OUT_OF_RANGE", "spec.dac.attestation", "77");
  spec = office.Light();
  // Too large for the image as well, but no declaration in the first place.
  spec.set_certification_declaration(std::string(100'000, 'x'));
  expect(spec, "CD_MALFORMED", "spec.certification_declaration", "");
  spec = office.Light();
  spec.mutable_rotating_id()->set_enabled(true);
  spec.mutable_rotating_id()->set_length(17);
  expect(spec, "FIELD_OUT_OF_RANGE", "spec.rotating_id.length", "17");
  spec = office.Light();
  spec.add_supported_modes()->set_label("quiet");
  spec.add_supported_modes()->add_tags()->set_value(65'536);
  expect(spec, "FIELD_OUT_OF_RANGE", "spec.supported_modes[1].tags[0].value", "65536");
}

TEST_F(RefusalsTest, AProductThatCannotIssueYetIsWhatOpeningItsLotNames) {
  v1::ApplyProductRequest apply;
  apply.set_request_id(office.NextId());
  apply.set_name("without-pai");
  *apply.mutable_spec() = office.Light();
  apply.mutable_spec()->set_vendor_id(0xFFF3);
  apply.mutable_spec()->set_certification_declaration(office.Declaration(0xFFF3, 0x8000));
  v1::Product product;
  ASSERT_TRUE(Catalog(kOperator)->ApplyProduct(Context().get(), apply, &product).ok());
  v1::OpenLotRequest open;
  open.set_request_id(office.NextId());
  open.set_name("without-pai");
  open.set_product("without-pai");
  open.set_factory("north");
  open.set_count(1);
  v1::Lot lot;
  const grpc::Status status = Catalog(kOperator)->OpenLot(Context().get(), open, &lot);
  ExpectNames(status, "PAI_UNKNOWN", "product", "without-pai");
  EXPECT_EQ(MetadataIn(status, "rule").find("spec.dac.pai: no active PAI fits"), 0u)
      << MetadataIn(status, "rule");
}

TEST_F(RefusalsTest, WhatALotAnIssuerOrATokenDoesNotHaveIsNamedByItsOwnReason) {
  office.OpenLot("without-leases", office.Light(), 1);
  const auto lots = v1::LotService::NewStub(office.ChannelAs(kOperator));
  v1::ReleaseLeaseRequest release;
  release.set_request_id(office.NextId());
  release.set_lot("without-leases");
  v1::LotLease lease;
  ExpectNames(lots->ReleaseLease(Context().get(), release, &lease), "FIELD_REQUIRED", "id", "");
  release.set_id("7");
  ExpectNames(lots->ReleaseLease(Context().get(), release, &lease), "LEASE_UNKNOWN", "id", "7");
  v1::GetCrlRequest crl;
  crl.set_issuer("pai-fff1");
  crl.set_part(9);
  v1::Crl list;
  ExpectNames(v1::AuthorityService::NewStub(office.ChannelAs(kOperator))
                  ->GetCrl(Context().get(), crl, &list),
              "CRL_UNKNOWN", "part", "9");
  v1::AdoptPaiRequest adopt;
  adopt.set_request_id(office.NextId());
  adopt.set_name("adopted");
  adopt.set_key_label("mistyped");
  adopt.set_vendor_id(0xFFF1);
  v1::Pai pai;
  const grpc::Status status = v1::PaiKeyService::NewStub(office.ChannelAs(kOperator))
                                  ->AdoptPai(Context().get(), adopt, &pai);
  ExpectNames(status, "KEY_UNKNOWN", "key_label", "mistyped");
  EXPECT_FALSE(HasRetryInfo(status));
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
