// "Bad input" of the main job: each a clear refusal with its reason, nothing lost, no quota spent.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <thread>

#include "tests/integration/office.h"

namespace assay::integration {
namespace {

class BadInputTest : public ::testing::Test {
 protected:
  grpc::Status Issue(const v1::IssueRequest& request, const std::string& as = kLine) {
    v1::IssueResponse response;
    return office.Issue(request, &response, as);
  }
  grpc::Status Apply(const v1::ProductSpec& spec) {
    v1::ApplyProductRequest apply;
    apply.set_request_id(office.NextId());
    apply.set_name("refused");
    *apply.mutable_spec() = spec;
    v1::Product product;
    return v1::CatalogService::NewStub(office.ChannelAs(kOperator))
        ->ApplyProduct(Context().get(), apply, &product);
  }
  Office& office = Office::Shared();
};

TEST_F(BadInputTest, AnUnknownLot) {
  EXPECT_EQ(ReasonIn(Issue(Office::Request("nowhere", "t-1"))), "LOT_NOT_GRANTED");
  EXPECT_EQ(ReasonIn(Issue(Office::Request("", "t-1"))), "FIELD_REQUIRED");
}

TEST_F(BadInputTest, AClosedLot) {
  office.OpenLot("closed", office.Light(), 2);
  v1::CloseLotRequest close;
  close.set_request_id(office.NextId());
  close.set_name("closed");
  v1::Lot lot;
  ASSERT_TRUE(v1::CatalogService::NewStub(office.ChannelAs(kOperator))
                  ->CloseLot(Context().get(), close, &lot)
                  .ok());
  EXPECT_EQ(ReasonIn(Issue(Office::Request("closed", "t-1"))), "LOT_NOT_OPEN");
  EXPECT_EQ(office.LotNow("closed").claimed(), 0u);
}

TEST_F(BadInputTest, QuotaExceededByConcurrentRequestsExactlyNSucceed) {
  constexpr int kCount = 7, kAsked = 20;
  office.OpenLot("quota", office.Light(), kCount);
  std::atomic<int> issued = 0, over = 0;
  std::vector<std::thread> stations;
  for (int i = 0; i < kAsked; ++i) {
    stations.emplace_back([&, i] {
      const grpc::Status status = Issue(Office::Request("quota", "t-" + std::to_string(i)));
      if (status.ok()) ++issued;
      if (ReasonIn(status) == "QUOTA_EXCEEDED") ++over;
    });
  }
  for (std::thread& station : stations) station.join();
  EXPECT_EQ(issued, kCount);
  EXPECT_EQ(over, kAsked - kCount);
  EXPECT_EQ(office.LotNow("quota").sealed(), static_cast<uint64_t>(kCount));
}

TEST_F(BadInputTest, TheSameTicketWithOtherContent) {
  office.OpenLot("conflict", office.Light(), 2);
  ASSERT_TRUE(Issue(Office::Request("conflict", "t-1")).ok());
  v1::IssueRequest other = Office::Request("conflict", "t-1");
  other.mutable_values()->set_serial_number("SN-1");
  EXPECT_EQ(ReasonIn(Issue(other)), "TICKET_CONFLICT");
  EXPECT_EQ(office.LotNow("conflict").claimed(), 1u);
}

TEST_F(BadInputTest, ACsrWithTheWrongCurveABadSignatureAReusedKeyOrOversize) {
  v1::ProductSpec spec = office.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  office.OpenLot("csr", spec, 5);
  v1::IssueRequest request = Office::Request("csr", "t-1");
  EXPECT_EQ(ReasonIn(Issue(request)), "FIELD_REQUIRED");
  request.set_csr(Office::Csr("P-384"));
  EXPECT_EQ(ReasonIn(Issue(request)), "CSR_CURVE");
  request.set_csr(Office::Csr());
  request.mutable_csr()->back() ^= 1;
  EXPECT_EQ(ReasonIn(Issue(request)), "CSR_SIGNATURE");
  request.set_csr(std::string(5000, 'x'));
  EXPECT_EQ(ReasonIn(Issue(request)), "CSR_TOO_LARGE");
  request.set_csr("no request");
  EXPECT_EQ(ReasonIn(Issue(request)), "CSR_MALFORMED");
  EXPECT_EQ(office.LotNow("csr").claimed(), 0u);
  request.set_csr(Office::Csr());
  ASSERT_TRUE(Issue(request).ok());
  request.set_ticket("t-2");
  EXPECT_EQ(ReasonIn(Issue(request)), "PUBLIC_KEY_REUSED");
  EXPECT_EQ(office.LotNow("csr").claimed(), 1u);
}

TEST_F(BadInputTest, AForbiddenPasscodeAndADiscriminatorAbove4095ButNotTheValue0) {
  v1::ProductSpec spec = office.Light();
  spec.set_values_from_line(true);
  office.OpenLot("values", spec, 5);
  for (const uint32_t passcode : {0u, 11111111u, 12345678u, 87654321u, 99999999u}) {
    v1::IssueRequest request = Office::Request("values", "t-1");
    request.mutable_values()->set_passcode(passcode);
    EXPECT_EQ(ReasonIn(Issue(request)), "PASSCODE_FORBIDDEN") << passcode;
  }
  v1::IssueRequest high = Office::Request("values", "t-1");
  high.mutable_values()->set_discriminator(4096);
  const grpc::Status status = Issue(high);
  EXPECT_EQ(ReasonIn(status), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(MetadataIn(status, "field"), ::testing::HasSubstr("discriminator"));
  EXPECT_FALSE(HasRetryInfo(status));
  EXPECT_EQ(office.LotNow("values").claimed(), 0u);
  v1::IssueRequest zero = Office::Request("values", "t-2");
  zero.mutable_values()->set_discriminator(0);
  v1::IssueResponse response;
  ASSERT_TRUE(office.Issue(zero, &response).ok());
  EXPECT_EQ(response.identity().codes().discriminator(), 0u);
}

TEST_F(BadInputTest, ValuesWhereTheProductDoesNotAllowThem) {
  office.OpenLot("novalues", office.Light(), 5);
  v1::IssueRequest request = Office::Request("novalues", "t-1");
  request.mutable_values()->set_passcode(20202021);
  EXPECT_EQ(ReasonIn(Issue(request)), "FIELD_NOT_ALLOWED");
}

TEST_F(BadInputTest, ADuplicateSerialNumberInALot) {
  office.OpenLot("serials", office.Light(), 5);
  v1::IssueRequest request = Office::Request("serials", "t-1");
  request.mutable_values()->set_serial_number("SN-1");
  ASSERT_TRUE(Issue(request).ok());
  request.set_ticket("t-2");
  const grpc::Status taken = Issue(request);
  EXPECT_EQ(ReasonIn(taken), "SERIAL_NUMBER_TAKEN");
  EXPECT_EQ(MetadataIn(taken, "field"), "values.serial_number");
  EXPECT_EQ(office.LotNow("serials").claimed(), 1u);
}

TEST_F(BadInputTest, AnExtraValueThatMayBeASecretIsNotShown) {
  v1::ProductSpec spec = office.Light();
  spec.set_values_from_line(true);
  v1::ExtraKey& key = *spec.add_extra_keys();
  key.set_key("sec");
  key.set_type("data");
  key.set_encoding("hex2bin");
  office.OpenLot("extra", spec, 2);
  v1::IssueRequest request = Office::Request("extra", "t-1");
  v1::ExtraValue& value = *request.mutable_values()->add_extra();
  value.set_key("sec");
  value.set_value("SECRETTOPSECRETVALUE");
  grpc::Status status = Issue(request);
  EXPECT_EQ(ReasonIn(status), "FIELD_MALFORMED");
  EXPECT_EQ(MetadataIn(status, "field"), "values.extra");
  EXPECT_EQ(MetadataIn(status, "value"), "20 bytes");
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("sec: "));
  EXPECT_THAT(status.error_message() + status.error_details(),
              ::testing::Not(::testing::HasSubstr("SECRET")));
  value.set_value("5EC2");
  *request.mutable_values()->add_extra() = value;
  status = Issue(request);
  EXPECT_EQ(ReasonIn(status), "FIELDS_CONTRADICT");
  EXPECT_EQ(MetadataIn(status, "field"), "values.extra");
  EXPECT_EQ(office.LotNow("extra").claimed(), 0u);
}

TEST_F(BadInputTest, AnImageLargerThanAnAnswer) {
  v1::ProductSpec spec = office.Light();
  spec.mutable_image()->set_size((16 << 20) + 4096);
  const grpc::Status refused = Apply(spec);
  EXPECT_EQ(ReasonIn(refused), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(MetadataIn(refused, "field"), "spec.image.size");

  // The largest that is taken reaches whoever takes it, and is not lost to whoever does not.
  spec.mutable_image()->set_size(16 << 20);
  office.OpenLot("large", spec, 2);
  const v1::IssueRequest request = Office::Request("large", "t-1");
  EXPECT_EQ(Issue(request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const test_support::TlsIdentity line = office.pki().Client(kLine);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(32 << 20);
  const auto channel = grpc::CreateCustomChannel(
      office.Address(), grpc::SslCredentials({office.pki().ca(), line.key, line.certificate}),
      arguments);
  v1::IssueResponse response;
  const grpc::Status issued =
      v1::IssuanceService::NewStub(channel)->Issue(Context().get(), request, &response);
  ASSERT_TRUE(issued.ok()) << issued.error_message();
  EXPECT_TRUE(response.sealed_before());
  EXPECT_EQ(response.identity().images(0).content().size(), 16u << 20);
}

TEST_F(BadInputTest, NamesTooLongInBytes) {
  v1::ProductSpec spec = office.Light();
  spec.set_vendor_name("ééééééééééééééééé");  // 17 letters, 34 bytes
  grpc::Status status = Apply(spec);
  EXPECT_EQ(ReasonIn(status), "FIELD_TOO_LONG");
  EXPECT_EQ(MetadataIn(status, "field"), "spec.vendor_name");
  spec = office.Light();
  spec.set_product_name(std::string(33, 'x'));
  EXPECT_EQ(ReasonIn(Apply(spec)), "FIELD_TOO_LONG");
}

TEST_F(BadInputTest, VidAndPidNotCoveredByTheDeclaration) {
  v1::ProductSpec spec = office.Light();
  spec.set_certification_declaration(office.Declaration(0xFFF1, 0x8001));
  EXPECT_EQ(ReasonIn(Apply(spec)), "CD_MISMATCH");
  spec.set_certification_declaration(office.Declaration(0xFFF2, 0x8000));
  EXPECT_EQ(ReasonIn(Apply(spec)), "CD_MISMATCH");
  spec.set_certification_declaration("no declaration");
  EXPECT_EQ(ReasonIn(Apply(spec)), "CD_MALFORMED");
}

TEST_F(BadInputTest, TooLittleTimeLeft) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(10));
  v1::IssueResponse response;
  const grpc::Status status = v1::IssuanceService::NewStub(office.ChannelAs(kLine))
                                  ->Issue(&context, Office::Request("values", "t-9"), &response);
  // Connecting may take the ten milliseconds already: then gRPC itself says so.
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

// ---- who may call

TEST_F(BadInputTest, AClientWithoutACertificate) {
  v1::Server server;
  const grpc::Status status =
      v1::CatalogService::NewStub(office.Channel({}))->GetServer(Context().get(), {}, &server);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(BadInputTest, AClientWithACertificateOfAnotherCa) {
  const test_support::TestPki other;
  v1::Server server;
  const auto channel = office.Channel(other.Client(kOperator));
  EXPECT_EQ(
      v1::CatalogService::NewStub(channel)->GetServer(Context().get(), {}, &server).error_code(),
      grpc::StatusCode::UNAVAILABLE);
}

TEST_F(BadInputTest, AClientWithAnExpiredOrNotYetValidCertificate) {
  for (const auto& [begins, ends] : {std::pair{-7200, -3600}, std::pair{3600, 7200}}) {
    test_support::LeafOptions leaf{
        .uris = {kOperator}, .begins_in_seconds = begins, .ends_in_seconds = ends};
    v1::Server server;
    const auto channel = office.Channel(office.pki().Leaf(leaf));
    EXPECT_EQ(
        v1::CatalogService::NewStub(channel)->GetServer(Context().get(), {}, &server).error_code(),
        grpc::StatusCode::UNAVAILABLE)
        << begins;
  }
}

TEST_F(BadInputTest, AClientNobodyGrantedAnything) {
  for (const test_support::LeafOptions& leaf :
       {test_support::LeafOptions{.uris = {"spiffe://assay.test/stranger"}},
        test_support::LeafOptions{.dns = "x"},
        test_support::LeafOptions{.uris = {kOperator, kLine}}}) {
    v1::Server server;
    const auto channel = office.Channel(office.pki().Leaf(leaf));
    const grpc::Status status =
        v1::CatalogService::NewStub(channel)->GetServer(Context().get(), {}, &server);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ReasonIn(status), "CALLER_UNKNOWN");
  }
}

TEST_F(BadInputTest, ACallerOfTheWrongRole) {
  const auto as_line = v1::CatalogService::NewStub(office.ChannelAs(kLine));
  v1::OpenLotRequest open;
  open.set_request_id(office.NextId());
  open.set_name("mine");
  open.set_product("product-first");
  open.set_factory("north");
  open.set_count(1);
  v1::Lot lot;
  EXPECT_EQ(ReasonIn(as_line->OpenLot(Context().get(), open, &lot)), "ROLE_MISSING");
  v1::Product product;
  EXPECT_EQ(ReasonIn(as_line->ApplyProduct(Context().get(), {}, &product)), "ROLE_MISSING");
  v1::Pai pai;
  EXPECT_EQ(ReasonIn(v1::AuthorityService::NewStub(office.ChannelAs(kLine))
                         ->CreatePai(Context().get(), {}, &pai)),
            "ROLE_MISSING");
  v1::ListDevicesResponse devices;
  EXPECT_EQ(ReasonIn(v1::AuditService::NewStub(office.ChannelAs(kLine))
                         ->ListDevices(Context().get(), {}, &devices)),
            "ROLE_MISSING");
  EXPECT_EQ(ReasonIn(Issue(Office::Request("first", "t-1"), kOperator)), "ROLE_MISSING");
  EXPECT_EQ(ReasonIn(Issue(Office::Request("first", "t-1"), kAuditor)), "ROLE_MISSING");
  EXPECT_EQ(ReasonIn(v1::CatalogService::NewStub(office.ChannelAs(kAuditor))
                         ->OpenLot(Context().get(), open, &lot)),
            "ROLE_MISSING");
  const auto stream_context = Context();
  const auto stream =
      v1::IssuanceService::NewStub(office.ChannelAs(kOperator))->IssueStream(stream_context.get());
  v1::IssueStreamResponse answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(ReasonIn(stream->Finish()), "ROLE_MISSING");
}

TEST_F(BadInputTest, ALineOfAnotherFactory) {
  office.OpenLot("northern", office.Light(), 2);
  v1::IssueResponse response;
  ASSERT_TRUE(office.Issue(Office::Request("northern", "t-1"), &response).ok());
  EXPECT_EQ(ReasonIn(Issue(Office::Request("northern", "t-1"), kSouthLine)), "LOT_NOT_GRANTED");
  const auto south = v1::IssuanceService::NewStub(office.ChannelAs(kSouthLine));
  v1::GetSealedRequest get;
  get.set_lot("northern");
  get.set_ticket("t-1");
  EXPECT_EQ(ReasonIn(south->GetSealed(Context().get(), get, &response)), "LOT_NOT_GRANTED");
  v1::ConfirmRequest confirm;
  confirm.set_lot("northern");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_SCRAPPED);
  v1::ConfirmResponse confirmed;
  EXPECT_EQ(ReasonIn(south->Confirm(Context().get(), confirm, &confirmed)), "LOT_NOT_GRANTED");
  const auto catalog = v1::CatalogService::NewStub(office.ChannelAs(kSouthLine));
  v1::GetLotRequest lot_request;
  v1::Lot lot;
  lot_request.set_name("northern");
  const std::string there = ReasonIn(catalog->GetLot(Context().get(), lot_request, &lot));
  lot_request.set_name("nowhere");
  EXPECT_EQ(ReasonIn(catalog->GetLot(Context().get(), lot_request, &lot)), there);
  v1::ListLotsResponse lots;
  ASSERT_TRUE(catalog->ListLots(Context().get(), {}, &lots).ok());
  EXPECT_EQ(lots.lots_size(), 0);
}

TEST_F(BadInputTest, TheTicketOfAnotherLine) {
  office.OpenLot("shared", office.Light(), 2);
  ASSERT_TRUE(Issue(Office::Request("shared", "t-1")).ok());
  EXPECT_EQ(ReasonIn(Issue(Office::Request("shared", "t-1"), kPlainLine)),
            "TICKET_OF_ANOTHER_LINE");
  v1::ConfirmRequest confirm;
  confirm.set_lot("shared");
  confirm.set_ticket("t-1");
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  v1::ConfirmResponse confirmed;
  const grpc::Status status = v1::IssuanceService::NewStub(office.ChannelAs(kPlainLine))
                                  ->Confirm(Context().get(), confirm, &confirmed);
  EXPECT_EQ(ReasonIn(status), "TICKET_OF_ANOTHER_LINE");
  EXPECT_EQ(MetadataIn(status, "field"), "ticket");
  EXPECT_EQ(MetadataIn(status, "value"), "t-1");
}

}  // namespace
}  // namespace assay::integration
