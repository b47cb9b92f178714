// Every call once as it should be, over real TLS, SoftHSM and PostgreSQL.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <set>

#include "base/bytes.h"
#include "matter/certificate.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

class IssuingTest : public ::testing::Test {
 protected:
  Office& office = Office::Shared();
};

TEST_F(IssuingTest, ATicketYieldsAnIdentityAndARetryTheSameBytes) {
  office.OpenLot("first", office.Light(), 3);
  v1::IssueResponse first, again;
  grpc::Status status = office.Issue(Office::Request("first", "t-1"), &first);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(first.sealed_before());
  const v1::Identity& identity = first.identity();
  EXPECT_EQ(identity.lot(), "first");
  EXPECT_EQ(identity.product(), "product-first");
  ASSERT_FALSE(identity.images().empty());
  EXPECT_EQ(identity.images(0).sha256(), ToText(Sha256(AsBytes(identity.images(0).content()))));
  const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
  const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
  ASSERT_TRUE(dac.ok() && pai.ok());
  EXPECT_TRUE(dac->IsSignedBy(*pai));

  status = office.Issue(Office::Request("first", "t-1"), &again);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(again.sealed_before());
  EXPECT_EQ(again.identity().SerializeAsString(), first.identity().SerializeAsString());
  EXPECT_EQ(office.LotNow("first").sealed(), 1u);
}

TEST_F(IssuingTest, ImagesAreShortOnlyForThoseWhoSayTheyPutErasedFlashBack) {
  office.OpenLot("short", office.Light(), 3);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  v1::IssueResponse whole, by_call;
  ASSERT_TRUE(office.Issue(Office::Request("short", "t-1"), &whole).ok());
  EXPECT_EQ(whole.identity().images(0).content().size(), whole.identity().images(0).size());
  const auto call = Context();
  call->AddMetadata("assay-short-images", "1");
  const auto status = stub->Issue(call.get(), Office::Request("short", "t-1"), &by_call);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto stream_context = Context();
  stream_context->AddMetadata("assay-short-images", "1");
  const auto stream = stub->IssueStream(stream_context.get());
  ASSERT_TRUE(stream->Write(Office::Request("short", "t-1")));
  stream->WritesDone();
  v1::IssueStreamResponse by_stream;
  ASSERT_TRUE(stream->Read(&by_stream));
  ASSERT_TRUE(stream->Finish().ok());
  for (const v1::Identity& shorter : {by_call.identity(), by_stream.issued().identity()}) {
    std::string content = shorter.images(0).content();
    EXPECT_LT(content.size(), 0x2000u);
    content.resize(shorter.images(0).size(), '\xFF');
    EXPECT_EQ(content, whole.identity().images(0).content());
  }
}

TEST_F(IssuingTest, AStreamAnswersEachItemForItself) {
  office.OpenLot("streamed", office.Light(), 40);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  const auto context = Context();
  const auto stream = stub->IssueStream(context.get());
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(stream->Write(Office::Request("streamed", "t-" + std::to_string(i))));
  }
  ASSERT_TRUE(stream->Write(Office::Request("streamed", "bad ticket")));
  ASSERT_TRUE(stream->Write(Office::Request("streamed", "t-40")));
  stream->WritesDone();
  std::set<std::string> issued;
  std::map<std::string, std::string> refused;
  v1::IssueStreamResponse answer;
  while (stream->Read(&answer)) {
    if (answer.has_issued()) {
      issued.insert(answer.issued().identity().device_id());
    } else {
      refused[answer.ticket()] = answer.refused().reason();
    }
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(issued.size(), 40u);
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused["bad ticket"], "FIELD_MALFORMED");
}

TEST_F(IssuingTest, AStreamNamesTheFieldAtFaultAsACallDoes) {
  office.OpenLot("streamed-paths", office.Light(), 2);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  const auto context = Context();
  const auto stream = stub->IssueStream(context.get());
  v1::IssueStreamResponse answer;
  for (const char* ticket : {"t-1", "t-2"}) {
    v1::IssueRequest request = Office::Request("streamed-paths", ticket);
    request.mutable_values()->set_serial_number("SN-TWICE");
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&answer));
  }
  stream->WritesDone();
  EXPECT_EQ(answer.ticket(), "t-2");
  EXPECT_EQ(answer.refused().reason(), "SERIAL_NUMBER_TAKEN");
  EXPECT_EQ(answer.refused().field(), "values.serial_number");
  EXPECT_EQ(answer.refused().value(), "SN-TWICE");
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IssuingTest, ASealedIdentityCanBeFetchedUntilItIsConfirmed) {
  office.OpenLot("fetched", office.Light(), 3);
  v1::IssueResponse issued, fetched;
  ASSERT_TRUE(office.Issue(Office::Request("fetched", "t-1"), &issued).ok());
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  v1::GetSealedRequest get;
  get.set_lot("fetched");
  get.set_ticket("t-1");
  ASSERT_TRUE(stub->GetSealed(Context().get(), get, &fetched).ok());
  EXPECT_EQ(fetched.identity().SerializeAsString(), issued.identity().SerializeAsString());

  v1::ConfirmRequest confirm;
  confirm.set_lot("fetched");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  v1::ConfirmResponse confirmed;
  ASSERT_TRUE(stub->Confirm(Context().get(), confirm, &confirmed).ok());
  EXPECT_EQ(confirmed.device_id(), issued.identity().device_id());
  EXPECT_FALSE(confirmed.confirmed_before());
  ASSERT_TRUE(stub->Confirm(Context().get(), confirm, &confirmed).ok());
  EXPECT_TRUE(confirmed.confirmed_before());

  EXPECT_EQ(ReasonIn(stub->GetSealed(Context().get(), get, &fetched)), "IDENTITY_WIPED");
  confirm.set_outcome(v1::OUTCOME_SCRAPPED);
  EXPECT_EQ(ReasonIn(stub->Confirm(Context().get(), confirm, &confirmed)), "CONFIRM_CONFLICT");
  get.set_ticket("t-2");
  EXPECT_EQ(ReasonIn(stub->GetSealed(Context().get(), get, &fetched)), "TICKET_UNKNOWN");
}

TEST_F(IssuingTest, ACsrYieldsACertificateForTheDevicesOwnKey) {
  v1::ProductSpec spec = office.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  office.OpenLot("csr-good", spec, 3);
  v1::IssueRequest request = Office::Request("csr-good", "t-1");
  request.set_csr(Office::Csr());
  v1::IssueResponse response;
  const grpc::Status status = office.Issue(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(response.identity().dac().empty());
}

TEST_F(IssuingTest, TheAuditorListsPagesAndExportsTheManifest) {
  office.OpenLot("audited", office.Light(), 10);
  std::set<std::string> devices;
  for (int i = 0; i < 7; ++i) {
    v1::IssueResponse response;
    ASSERT_TRUE(office.Issue(Office::Request("audited", "t-" + std::to_string(i)), &response).ok());
    devices.insert(response.identity().device_id());
  }
  const auto stub = v1::AuditService::NewStub(office.ChannelAs(kAuditor));
  v1::ListDevicesRequest list;
  list.mutable_filter()->set_lot("audited");
  list.set_page_size(3);
  std::vector<std::string> listed;
  v1::ListDevicesResponse page;
  do {
    const grpc::Status status = stub->ListDevices(Context().get(), list, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const auto& row : page.rows()) {
      listed.push_back(row.device_id());
      EXPECT_EQ(row.passcode(), 0u);
      EXPECT_EQ(row.factory(), "north");
      EXPECT_EQ(row.line(), "north-1");
    }
    list.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  EXPECT_EQ(listed.size(), 7u);
  EXPECT_EQ(std::set<std::string>(listed.begin(), listed.end()), devices);

  v1::ExportManifestRequest request;
  request.mutable_filter()->set_lot("audited");
  const auto context = Context();
  const auto stream = stub->ExportManifest(context.get(), request);
  std::vector<std::string> exported;
  v1::ManifestRow row;
  while (stream->Read(&row)) exported.push_back(row.device_id());
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(exported, listed);
}

TEST_F(IssuingTest, APageTokenServesOnlyItsOwnQuery) {
  office.OpenLot("paged", office.Light(), 10);
  for (int i = 0; i < 3; ++i) {
    v1::IssueResponse response;
    ASSERT_TRUE(office.Issue(Office::Request("paged", "t-" + std::to_string(i)), &response).ok());
  }
  const auto stub = v1::AuditService::NewStub(office.ChannelAs(kAuditor));
  v1::ListDevicesRequest list;
  list.mutable_filter()->set_lot("paged");
  list.set_page_size(1);
  v1::ListDevicesResponse page;
  ASSERT_TRUE(stub->ListDevices(Context().get(), list, &page).ok());
  list.set_page_token(page.next_page_token());
  list.mutable_filter()->set_lot("another");
  EXPECT_EQ(ReasonIn(stub->ListDevices(Context().get(), list, &page)), "PAGE_TOKEN_INVALID");
  list.mutable_filter()->set_lot("paged");
  const auto other = v1::AuditService::NewStub(office.ChannelAs(kCodesAuditor));
  EXPECT_EQ(ReasonIn(other->ListDevices(Context().get(), list, &page)), "PAGE_TOKEN_INVALID");
}

TEST_F(IssuingTest, OnlyTheRoleCodesIsShownCodes) {
  office.OpenLot("coded", office.Light(), 3);
  v1::IssueResponse response;
  ASSERT_TRUE(office.Issue(Office::Request("coded", "t-1"), &response).ok());
  v1::GetDeviceRequest get;
  get.set_device_id(response.identity().device_id());
  v1::ManifestRow row;
  ASSERT_TRUE(v1::AuditService::NewStub(office.ChannelAs(kAuditor))
                  ->GetDevice(Context().get(), get, &row)
                  .ok());
  EXPECT_EQ(row.passcode(), 0u);
  EXPECT_TRUE(row.qr_code().empty());
  const grpc::Status status = v1::AuditService::NewStub(office.ChannelAs(kCodesAuditor))
                                  ->GetDevice(Context().get(), get, &row);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(row.passcode(), response.identity().codes().passcode());
  EXPECT_EQ(row.qr_code(), response.identity().codes().qr_code());
  EXPECT_EQ(row.manual_code(), response.identity().codes().manual_code());
  get.set_dac_serial(response.identity().dac_serial());
  EXPECT_TRUE(v1::AuditService::NewStub(office.ChannelAs(kAuditor))
                  ->GetDevice(Context().get(), get, &row)
                  .ok());
}

TEST_F(IssuingTest, AnOperatorRaisesAndClosesALot) {
  office.OpenLot("raised", office.Light(), 1);
  const auto stub = v1::CatalogService::NewStub(office.ChannelAs(kOperator));
  v1::RaiseLotRequest raise;
  raise.set_request_id(office.NextId());
  raise.set_name("raised");
  raise.set_count(2);
  v1::Lot lot;
  ASSERT_TRUE(stub->RaiseLot(Context().get(), raise, &lot).ok());
  ASSERT_TRUE(
      stub->RaiseLot(Context().get(), raise, &lot).ok());  // the same act has no second effect
  EXPECT_EQ(lot.count(), 2u);
  raise.set_count(5);
  EXPECT_EQ(ReasonIn(stub->RaiseLot(Context().get(), raise, &lot)), "REQUEST_CONFLICT");
  v1::CloseLotRequest close;
  close.set_request_id(office.NextId());
  close.set_name("raised");
  ASSERT_TRUE(stub->CloseLot(Context().get(), close, &lot).ok());
  EXPECT_EQ(lot.state(), v1::LOT_STATE_CLOSED);
  v1::ListLotsRequest list;
  list.set_product("product-raised");
  v1::ListLotsResponse lots;
  ASSERT_TRUE(stub->ListLots(Context().get(), list, &lots).ok());
  ASSERT_EQ(lots.lots_size(), 1);
  v1::ListProductsResponse products;
  EXPECT_TRUE(stub->ListProducts(Context().get(), {}, &products).ok());
  EXPECT_GE(products.products_size(), 1);
  v1::GetProductRequest get;
  get.set_name("product-raised");
  v1::Product product;
  EXPECT_TRUE(stub->GetProduct(Context().get(), get, &product).ok());
}

TEST_F(IssuingTest, PaisAreListedAndRetired) {
  const auto stub = v1::AuthorityService::NewStub(office.ChannelAs(kOperator));
  v1::CreatePaiRequest create;
  create.set_request_id(office.NextId());
  create.set_name("pai-retired");
  create.set_vendor_id(0xFFF2);
  v1::Pai pai;
  ASSERT_TRUE(stub->CreatePai(Context().get(), create, &pai).ok());
  EXPECT_EQ(pai.state(), v1::PAI_STATE_PENDING);
  EXPECT_FALSE(pai.csr().empty());
  v1::SignSandboxPaiRequest sign;
  sign.set_request_id(office.NextId());
  sign.set_name("pai-retired");
  ASSERT_TRUE(stub->SignSandboxPai(Context().get(), sign, &pai).ok());
  v1::RetirePaiRequest retire;
  retire.set_request_id(office.NextId());
  retire.set_name("pai-retired");
  ASSERT_TRUE(stub->RetirePai(Context().get(), retire, &pai).ok());
  v1::GetPaiRequest get;
  get.set_name("pai-retired");
  ASSERT_TRUE(stub->GetPai(Context().get(), get, &pai).ok());
  EXPECT_EQ(pai.state(), v1::PAI_STATE_RETIRED);
  v1::ListPaisResponse pais;
  ASSERT_TRUE(stub->ListPais(Context().get(), {}, &pais).ok());
  EXPECT_GE(pais.pais_size(), 2);
}

TEST_F(IssuingTest, GetServerTellsTheCallerItself) {
  v1::Server server;
  ASSERT_TRUE(v1::CatalogService::NewStub(office.ChannelAs(kLine))
                  ->GetServer(Context().get(), {}, &server)
                  .ok());
  EXPECT_EQ(server.mode(), "sandbox");
  EXPECT_EQ(server.caller(), kLine);
  EXPECT_EQ(server.line(), "north-1");
  EXPECT_THAT(server.roles(), ::testing::UnorderedElementsAre("line", "keys"));
  EXPECT_EQ(AsText(office.config().hsm.image_certificate), server.image_certificate());
}

TEST_F(IssuingTest, HealthAndReflectionAnswer) {
  // grpc.health.v1 is not shipped as .proto here; its messages are small enough to be written by
  // hand.
  grpc::GenericStub stub(office.ChannelAs(kLine));
  const auto ask = [&](const std::string& service) {
    std::string request =
        service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service;
    grpc::Slice slice(request);
    const grpc::ByteBuffer buffer(&slice, 1);
    const auto context = Context();
    grpc::CompletionQueue queue;
    const auto call =
        stub.PrepareUnaryCall(context.get(), "/grpc.health.v1.Health/Check", buffer, &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    if (!status.ok() || !answer.Dump(&slices).ok() || slices.empty()) return -1;
    return slices[0].size() == 2 ? static_cast<int>(slices[0].begin()[1]) : 0;
  };
  EXPECT_EQ(ask(""), 1);
  EXPECT_EQ(ask("assay.v1.IssuanceService"), 1);
  EXPECT_EQ(ask("assay.v1.AuditService"), 1);
}

TEST_F(IssuingTest, MetricsSpeakOfStepsOutcomesAndPools) {
  office.OpenLot("measured", office.Light(), 2);
  v1::IssueResponse response;
  ASSERT_TRUE(office.Issue(Office::Request("measured", "t-1"), &response).ok());
  const std::string text = office.daemon().MetricsText();
  for (const char* expected :
       {"assay_issue_step_seconds_count{step=\"admit\"}",
        "assay_issue_step_seconds_count{step=\"seal\"}", "assay_issue_total{reason=\"OK\"}",
        "assay_hsm_signatures_total{outcome=\"signed\"}", "assay_store_connections{state=\"idle\"}",
        "assay_ready 1",
        "assay_build_info{version=", "assay_tls_not_after_seconds{certificate=\"server\"}",
        "assay_calls_total{method=\"assay.v1.IssuanceService/Issue\",reason=\"OK\"}"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected;
  }
}

}  // namespace
}  // namespace assay::integration
