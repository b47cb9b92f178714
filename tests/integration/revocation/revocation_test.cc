// A unit at the end of the line, its revocation, and everybody who learns of it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/command/context.h"
#include "client/command/revocation_commands.h"
#include "matter/attestation.h"
#include "matter/crl.h"
#include "matter/csr.h"
#include "matter/revocation_set.h"
#include "tests/integration/office.h"
#include "tests/unit/matter/software_key.h"

namespace assay::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Get(int port, const std::string& path, const std::string& more = "",
                const std::string& method = "GET") {
  const int link = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(link, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request =
      absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: crl.assay.test\r\n", more, "\r\n");
  EXPECT_EQ(write(link, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(link, buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  close(link);
  return answer;
}

class RevocationTest : public testing::Test {
 protected:
  // Issues to a device whose key we hold.
  v1::Identity Issue(const std::string& lot, const std::string& ticket) {
    const Bytes info = matter::EncodeCsrInfo(
        matter::EncodeName(matter::MatterName("device", {}, {})), key_.Point());
    v1::IssueRequest request = Office::Request(lot, ticket);
    matter::RawSignature raw{};
    std::ranges::copy(key_.Sign(info), raw.begin());
    request.set_csr(ToText(matter::AssembleCsr(info, raw)));
    v1::IssueResponse response;
    const grpc::Status status = office_.Issue(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity();
  }
  v1::Identity IssueIn(const std::string& lot) {
    v1::ProductSpec spec = office_.Light();
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
    office_.OpenLot(lot, spec, 5);
    return Issue(lot, "t-1");
  }
  v1::BeginVerificationResponse Begin(const v1::Identity& identity) {
    v1::BeginVerificationRequest request;
    request.set_device_id(identity.device_id());
    v1::BeginVerificationResponse response;
    const grpc::Status status = v1::IssuanceService::NewStub(office_.ChannelAs(kLine))
                                    ->BeginVerification(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::VerifyDeviceRequest Answer(const v1::Identity& identity,
                                 const v1::BeginVerificationResponse& begun) {
    matter::AttestationElements elements;
    elements.certification_declaration = ToBytes(AsBytes(identity.certification_declaration()));
    elements.nonce = ToBytes(AsBytes(begun.nonce()));
    v1::VerifyDeviceRequest request;
    request.set_verification_id(begun.verification_id());
    request.set_device_id(identity.device_id());
    const Bytes tlv = *matter::EncodeAttestationElements(elements);
    Bytes message = tlv;
    Append(message, AsBytes(begun.challenge()));
    request.set_attestation_elements(ToText(tlv));
    request.set_signature(ToText(key_.Sign(message)));
    request.set_dac(identity.dac());
    request.set_pai(identity.pai());
    return request;
  }
  v1::VerifyDeviceResponse Finish(const v1::VerifyDeviceRequest& request) {
    v1::VerifyDeviceResponse response;
    const grpc::Status status = v1::IssuanceService::NewStub(office_.ChannelAs(kLine))
                                    ->VerifyDevice(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::RevokeResponse Revoke(const v1::Identity& identity) {
    v1::RevokeDeviceRequest request;
    request.set_request_id(office_.NextId());
    request.set_device_id(identity.device_id());
    request.set_reason(v1::REVOCATION_REASON_KEY_COMPROMISE);
    v1::RevokeResponse response;
    const grpc::Status status = Authority()->RevokeDevice(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  std::unique_ptr<v1::AuthorityService::Stub> Authority() {
    return v1::AuthorityService::NewStub(office_.ChannelAs(kOperator));
  }
  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = (office_.folder() / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  Office& office_ = Office::Shared();
  matter::SoftwareKey key_ = matter::SoftwareKey::Fresh();
};

TEST_F(RevocationTest, AUnitPassesAndAfterItsRevocationFailsWith302) {
  const v1::Identity identity = IssueIn("line-end");
  EXPECT_TRUE(Finish(Answer(identity, Begin(identity))).passed());
  const v1::RevokeResponse revoked = Revoke(identity);
  EXPECT_EQ(revoked.revoked(), 1u);
  EXPECT_TRUE(revoked.published()) << revoked.waiting_for();
  const v1::VerifyDeviceResponse failed = Finish(Answer(identity, Begin(identity)));
  EXPECT_FALSE(failed.passed());
  EXPECT_EQ(failed.result(), 302u);
  v1::ManifestRow row;
  v1::GetDeviceRequest find;
  find.set_device_id(identity.device_id());
  ASSERT_TRUE(v1::AuditService::NewStub(office_.ChannelAs(kAuditor))
                  ->GetDevice(Context().get(), find, &row)
                  .ok());
  EXPECT_EQ(row.state(), v1::DEVICE_STATE_REVOKED);
}

TEST_F(RevocationTest, AVerificationBegunBeforeARestartIsFinishedAfterIt) {
  const v1::Identity identity = IssueIn("restarted");
  const v1::BeginVerificationResponse begun = Begin(identity);
  office_.Stop();
  ASSERT_TRUE(office_.StartAgain().ok());
  office_.AwaitReady();
  EXPECT_TRUE(Finish(Answer(identity, begun)).passed());
}

TEST_F(RevocationTest, TheListIsServedToTheWorldWithWhatCachesNeed) {
  const v1::Identity identity = IssueIn("served");
  Revoke(identity);
  const int port = office_.daemon().crl_port();
  const std::string answer = Get(port, "/crl/pai-fff1/0.crl");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  for (const char* header : {"Content-Type: application/pkix-crl", "ETag: \"",
                             "Last-Modified: ", "Expires: ", "Cache-Control: public, max-age="}) {
    EXPECT_THAT(answer, HasSubstr(header));
  }
  const size_t body = answer.find("\r\n\r\n") + 4;
  const auto crl = matter::ParseCrl(AsBytes(answer).subspan(body));
  ASSERT_TRUE(crl.ok()) << crl.status();
  const auto pai = matter::Certificate::Parse(AsBytes(identity.pai()));
  EXPECT_TRUE(matter::CheckCrlSigner(*crl, *pai).ok());
  EXPECT_GE(crl->fields.entries.size(), 1u);

  const size_t tag = answer.find("ETag: \"") + 6;
  const std::string known = answer.substr(tag, answer.find("\r\n", tag) - tag);
  EXPECT_THAT(Get(port, "/crl/pai-fff1/0.crl", "If-None-Match: " + known + "\r\n"),
              HasSubstr("304 Not Modified"));
  EXPECT_THAT(Get(port, "/crl/pai-fff1/0.crl", "", "HEAD"), HasSubstr("Content-Length: "));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string refused = Get(port, "/crl/pai-fff1/0.crl", "Content-Length: 0\r\n", method);
    EXPECT_THAT(refused, HasSubstr("405 Method Not Allowed")) << method;
    EXPECT_THAT(refused, HasSubstr("Allow: GET, HEAD")) << method;
  }
  for (const char* path : {"/crl/pai-fff1/1.crl", "/crl/nobody/0.crl", "/crl/", "/crl/x", "/",
                           "/crl/pai-fff1/-1.crl", "/crl/..%2F..%2Fetc/0.crl"}) {
    EXPECT_THAT(Get(port, path), HasSubstr("404 Not Found")) << path;
  }
  EXPECT_THAT(office_.daemon().MetricsText(), HasSubstr("assay_crl_seconds_left"));
}

TEST_F(RevocationTest, TheSetAndTheRecordsAreTheAuditorsTooButRevokingIsNot) {
  const v1::Identity identity = IssueIn("told");
  Revoke(identity);
  auto auditor = v1::AuthorityService::NewStub(office_.ChannelAs(kAuditor));
  v1::GetRevocationSetResponse set;
  ASSERT_TRUE(auditor->GetRevocationSet(Context().get(), {}, &set).ok());
  const auto read = matter::RevocationSet::Parse(set.json());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->IsRevoked(*matter::Certificate::Parse(AsBytes(identity.dac()))));
  v1::GetDistributionPointsRequest ask;
  ask.set_issuer("pai-fff1");
  v1::GetDistributionPointsResponse points;
  ASSERT_TRUE(auditor->GetDistributionPoints(Context().get(), ask, &points).ok());
  ASSERT_EQ(points.points_size(), 1);
  EXPECT_THAT(points.points(0).json(), HasSubstr("http://crl.assay.test/crl/pai-fff1/0.crl"));
  v1::RevokeLotRequest revoke;
  revoke.set_request_id(office_.NextId());
  revoke.set_name("told");
  revoke.set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  v1::RevokeResponse response;
  EXPECT_EQ(ReasonIn(auditor->RevokeLot(Context().get(), revoke, &response)), "ROLE_MISSING");
  v1::GetCrlRequest fresh;
  fresh.set_issuer("pai-fff1");
  fresh.set_fresh(true);
  v1::Crl crl;
  EXPECT_EQ(ReasonIn(auditor->GetCrl(Context().get(), fresh, &crl)), "ROLE_MISSING");
}

TEST_F(RevocationTest, FilesAloneAreVerifiedByTheCommandLine) {
  const v1::Identity identity = IssueIn("files");
  v1::BeginVerificationResponse begun;
  begun.set_nonce(std::string(32, 'n'));
  begun.set_challenge(std::string(16, 'c'));
  const v1::VerifyDeviceRequest answer = Answer(identity, begun);
  client::VerifyOptions options;
  options.dac = Write("dac.der", identity.dac());
  options.pai = Write("pai.der", identity.pai());
  options.paas = {(office_.folder() / "paa.pem").string()};
  options.cd_signers = {(office_.folder() / "cd.pem").string()};
  options.sdk_test_signer = true;
  options.cd = Write("device.cd", identity.certification_declaration());
  std::FILE* const out = std::tmpfile();
  client::Context context({}, out, out);
  EXPECT_TRUE(client::VerifyFiles(context, options).ok());
  options.elements = Write("elements.tlv", answer.attestation_elements());
  options.signature = ToHex(AsBytes(answer.signature()));
  options.nonce = ToHex(AsBytes(begun.nonce()));
  options.challenge = ToHex(AsBytes(begun.challenge()));
  const absl::Status good = client::VerifyFiles(context, options);
  EXPECT_TRUE(good.ok()) << good;
  options.challenge = std::string(32, '0');
  EXPECT_THAT(std::string(client::VerifyFiles(context, options).message()),
              HasSubstr("500 AttestationSignatureInvalid"));

  Revoke(identity);
  v1::GetRevocationSetResponse set;
  ASSERT_TRUE(Authority()->GetRevocationSet(Context().get(), {}, &set).ok());
  options.revocation_set = Write("set.json", set.json());
  options.challenge = ToHex(AsBytes(begun.challenge()));
  EXPECT_THAT(std::string(client::VerifyFiles(context, options).message()),
              HasSubstr("302 DacRevoked"));
  options.revocation_set = Write("broken.json", set.json().substr(10));
  EXPECT_THAT(std::string(client::VerifyFiles(context, options).message()),
              HasSubstr("--revocation-set"));
  std::fclose(out);
}

}  // namespace
}  // namespace assay::integration
