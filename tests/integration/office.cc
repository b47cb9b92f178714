#include "tests/integration/office.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>

#include "matter/certificate.h"
#include "server/app/open.h"
#include "server/authority/authority.h"
#include "tests/support/store_fixture.h"

namespace assay::integration {
namespace {

void Insist(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::cerr << what << ": " << status << "\n";
  std::abort();
}

void Insist(const grpc::Status& status, const char* what) {
  if (status.ok()) return;
  std::cerr << what << ": " << status.error_message() << "\n";
  std::abort();
}

template <class Detail>
bool FindDetail(const grpc::Status& status, Detail* detail) {
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return false;
  for (const auto& any : rich.details()) {
    if (any.UnpackTo(detail)) return true;
  }
  return false;
}

void WriteText(const std::filesystem::path& path, const std::string& text) {
  test_support::WritePrivateFile(path.string(), text);
}

}  // namespace

std::string ReasonIn(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  return FindDetail(status, &info) && info.domain() == "assay" ? info.reason() : "";
}

std::string MetadataIn(const grpc::Status& status, const std::string& key) {
  google::rpc::ErrorInfo info;
  if (!FindDetail(status, &info)) return "";
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? "" : found->second;
}

bool HasRetryInfo(const grpc::Status& status) {
  google::rpc::RetryInfo retry;
  return FindDetail(status, &retry);
}

std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  return context;
}

Office& Office::Shared() {
  static Office office;
  return office;
}

Office::Office(const std::string& dsn) {
  char pattern[] = "/tmp/assay-office-XXXXXX";
  folder_ = mkdtemp(pattern);
  dsn_ = dsn.empty() ? test_support::NewMigratedDatabase().dsn : dsn;
  WriteConfig();
  auto sandbox = ops::LoadConfig(config_path(), ops::ConfigUse::kSandbox, absl::Now());
  Insist(sandbox.status(), "configuration for the sandbox");
  {
    auto token = app::OpenToken(sandbox->hsm);
    Insist(token.status(), "token");
    SystemRandom random;
    const SystemClock clock;
    const auto keys = authority::PrepareSandbox(**token, random, clock, {});
    Insist(keys.status(), "sandbox keys");
    WriteText(folder_ / "paa.pem", matter::ToPem("CERTIFICATE", keys->paa_certificate));
    WriteText(folder_ / "cd.pem", matter::ToPem("CERTIFICATE", keys->cd_certificate));
    WriteText(folder_ / "image.pem", matter::ToPem("CERTIFICATE", keys->image_certificate));
  }
  auto config = ops::LoadConfig(config_path(), ops::ConfigUse::kServe, absl::Now());
  Insist(config.status(), "configuration");
  config_ = *std::move(config);
  Insist(StartAgain(), "daemon");
  AwaitReady();
  MakePai("pai-fff1", 0xFFF1);
}

Office::~Office() {
  daemon_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

absl::Status Office::StartAgain(const ops::Config& config) {
  auto daemon = app::Daemon::Start(config);
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  return absl::OkStatus();
}

void Office::WriteConfig() {
  const test_support::TlsIdentity server = pki_.Server();
  WriteText(folder_ / "server.pem", server.certificate);
  WriteText(folder_ / "server.key", server.key);
  WriteText(folder_ / "ca.pem", pki_.ca());
  std::ofstream(config_path())
      << "mode: sandbox\n"
         "listen: localhost:0\n"
         "tls: {certificate: server.pem, key: server.key, client_ca: ca.pem}\n"
         "metrics: {listen: '127.0.0.1:0'}\n"
         "revocation: {listen: '127.0.0.1:0', base_url: 'http://crl.assay.test/'}\n"
         "hsm:\n"
         "  module: "
      << test_support::SoftHsm::ModulePath()
      << "\n"
         "  token_label: assay\n"
         "  pin_file: "
      << hsm_.pin_file()
      << "\n"
         "  image_certificate: image.pem\n"
         "database:\n"
         "  dsn: \""
      << dsn_
      << "\"\n"
         "  pool: 6\n"
         "sandbox: {paa_certificate: paa.pem, cd_certificate: cd.pem}\n"
         "limits: {health_interval: 200ms, drain: 20s}\n"
         "log: {level: error}\n"
         "grants:\n"
         "  - {identity: '"
      << kLine
      << "', roles: [line, keys], line: north-1, factories: [north]}\n"
         "  - {identity: '"
      << kPlainLine
      << "', roles: [line], line: north-2, factories: [north]}\n"
         "  - {identity: '"
      << kSouthLine
      << "', roles: [line, keys], factories: [south]}\n"
         "  - {identity: '"
      << kOperator
      << "', roles: [operator]}\n"
         "  - {identity: '"
      << kAuditor
      << "', roles: [auditor]}\n"
         "  - {identity: '"
      << kCodesAuditor << "', roles: [auditor, codes], factories: [north]}\n";
}

std::shared_ptr<grpc::Channel> Office::Channel(const test_support::TlsIdentity& identity,
                                               const std::string& server_ca) const {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = server_ca.empty() ? pki_.ca() : server_ca;
  options.pem_private_key = identity.key;
  options.pem_cert_chain = identity.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(Address(), grpc::SslCredentials(options), arguments);
}

void Office::AwaitReady(bool ready) {
  if (daemon_->AwaitReady(ready, std::chrono::minutes(2))) return;
  std::cerr << "never became " << (ready ? "ready" : "not ready") << "\n" << daemon_->MetricsText();
  std::abort();
}

v1::Pai Office::MakePai(const std::string& name, uint32_t vendor_id) {
  const auto stub = v1::AuthorityService::NewStub(ChannelAs(kOperator));
  v1::Pai pai;
  v1::CreatePaiRequest create;
  create.set_request_id(NextId());
  create.set_name(name);
  create.set_vendor_id(vendor_id);
  Insist(stub->CreatePai(Context().get(), create, &pai), "CreatePai");
  v1::SignSandboxPaiRequest sign;
  sign.set_request_id(NextId());
  sign.set_name(name);
  Insist(stub->SignSandboxPai(Context().get(), sign, &pai), "SignSandboxPai");
  v1::ActivatePaiRequest activate;
  activate.set_request_id(NextId());
  activate.set_name(name);
  Insist(stub->ActivatePai(Context().get(), activate, &pai), "ActivatePai");
  return pai;
}

std::string Office::Declaration(uint32_t vendor_id, uint32_t product_id) {
  const auto stub = v1::AuthorityService::NewStub(ChannelAs(kOperator));
  v1::SignSandboxDeclarationRequest request;
  request.set_vendor_id(vendor_id);
  request.add_product_ids(product_id);
  request.set_device_type_id(22);
  v1::SignSandboxDeclarationResponse response;
  const grpc::Status status = stub->SignSandboxDeclaration(Context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.declaration();
}

v1::ProductSpec Office::Light() {
  v1::ProductSpec spec;
  spec.set_vendor_id(0xFFF1);
  spec.set_product_id(0x8000);
  spec.set_vendor_name("Example");
  spec.set_product_name("Light");
  spec.set_spake2p_iterations(1000);
  spec.set_certification_declaration(Declaration(0xFFF1, 0x8000));
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_SERVER_KEY);
  return spec;
}

v1::Lot Office::OpenLot(const std::string& lot, const v1::ProductSpec& spec, uint64_t count,
                        const std::string& factory) {
  const auto stub = v1::CatalogService::NewStub(ChannelAs(kOperator));
  v1::ApplyProductRequest apply;
  apply.set_request_id(NextId());
  apply.set_name("product-" + lot);
  *apply.mutable_spec() = spec;
  v1::Product product;
  grpc::Status status = stub->ApplyProduct(Context().get(), apply, &product);
  EXPECT_TRUE(status.ok()) << status.error_message();
  v1::OpenLotRequest open;
  open.set_request_id(NextId());
  open.set_name(lot);
  open.set_product("product-" + lot);
  open.set_factory(factory);
  open.set_count(count);
  v1::Lot opened;
  status = stub->OpenLot(Context().get(), open, &opened);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return opened;
}

v1::Lot Office::LotNow(const std::string& lot) {
  const auto stub = v1::CatalogService::NewStub(ChannelAs(kOperator));
  v1::GetLotRequest request;
  request.set_name(lot);
  v1::Lot found;
  const grpc::Status status = stub->GetLot(Context().get(), request, &found);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return found;
}

grpc::Status Office::Issue(const v1::IssueRequest& request, v1::IssueResponse* response,
                           const std::string& as) {
  return v1::IssuanceService::NewStub(ChannelAs(as))->Issue(Context().get(), request, response);
}

v1::IssueRequest Office::Request(const std::string& lot, const std::string& ticket) {
  v1::IssueRequest request;
  request.set_lot(lot);
  request.set_ticket(ticket);
  return request;
}

std::string Office::Csr(const char* curve) {
  EVP_PKEY* key = EVP_EC_gen(curve);
  X509_REQ* request = X509_REQ_new();
  X509_REQ_set_version(request, 0);
  X509_REQ_set_pubkey(request, key);
  X509_REQ_sign(request, key, EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request, &der);
  std::string csr(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return csr;
}

}  // namespace assay::integration
