#include "tests/bench/load/service.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "base/random.h"

namespace assay::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string SignDeclaration(const Settings& settings,
                            const std::shared_ptr<grpc::Channel>& channel) {
  v1::SignSandboxDeclarationRequest request;
  request.set_vendor_id(settings.vendor);
  request.add_product_ids(settings.product);
  request.set_device_type_id(0x0100);
  request.set_version_number(1);
  v1::SignSandboxDeclarationResponse response;
  grpc::ClientContext context;
  Demand(
      v1::AuthorityService::NewStub(channel)->SignSandboxDeclaration(&context, request, &response),
      "SignSandboxDeclaration");
  return response.declaration();
}

void ApplyMode(Mode mode, v1::ProductSpec& spec) {
  spec.mutable_dac()->set_attestation(mode == Mode::kCsr ? v1::ATTESTATION_CSR
                                                         : v1::ATTESTATION_SERVER_KEY);
  if (mode == Mode::kEncryptedNvs) {
    spec.mutable_image()->set_encryption(v1::NVS_ENCRYPTION_FLASH);
  } else if (mode == Mode::kSecureCert) {
    spec.mutable_image()->mutable_secure_cert()->set_attestation(true);
  }
}

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const Settings& settings, const std::string& role,
                                       int number) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(settings.tls + "/ca.pem");
  tls.pem_private_key = ReadFile(settings.tls + "/" + role + ".key");
  tls.pem_cert_chain = ReadFile(settings.tls + "/" + role + ".pem");
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(4 << 20);
  arguments.SetInt("assay.channel", number);  // equal arguments would share one connection
  return grpc::CreateCustomChannel(settings.server, grpc::SslCredentials(tls), arguments);
}

Channels ConnectLines(const Settings& settings, int count) {
  Channels channels;
  for (int i = 0; i < count; ++i) channels.push_back(Connect(settings, "line", i));
  return channels;
}

void Demand(const grpc::Status& status, const char* what) {
  if (!status.ok()) throw std::runtime_error(std::string(what) + ": " + status.error_message());
}

std::string DrawName() {
  SystemRandom random;
  return "bench-" + ToHex(random.Draw(6));
}

std::string OpenLot(const Settings& settings, int iterations, Mode mode) {
  const std::string name = DrawName();
  const auto channel = Connect(settings, "operator", 0);
  const auto catalog = v1::CatalogService::NewStub(channel);
  v1::ApplyProductRequest apply;
  apply.set_request_id(name + "-product");
  apply.set_name(name);
  v1::ProductSpec& spec = *apply.mutable_spec();
  spec.set_vendor_id(settings.vendor);
  spec.set_product_id(settings.product);
  spec.set_vendor_name("Bench");
  spec.set_product_name("Light");
  spec.set_hardware_version(1);
  spec.set_hardware_version_string("1.0");
  spec.set_certification_declaration(SignDeclaration(settings, channel));
  spec.set_spake2p_iterations(static_cast<uint32_t>(iterations));
  ApplyMode(mode, spec);
  v1::Product product;
  grpc::ClientContext apply_context;
  Demand(catalog->ApplyProduct(&apply_context, apply, &product), "ApplyProduct");
  v1::OpenLotRequest open;
  open.set_request_id(name + "-lot");
  open.set_name(name);
  open.set_product(name);
  open.set_factory(settings.factory);
  open.set_count(10'000'000);
  v1::Lot lot;
  grpc::ClientContext open_context;
  Demand(catalog->OpenLot(&open_context, open, &lot), "OpenLot");
  return lot.name();
}

Channels OpenIdleLines(const Settings& settings, const std::string& lot, int count) {
  Channels channels = ConnectLines(settings, count);
  for (const auto& channel : channels) {
    v1::GetLotRequest request;
    request.set_name(lot);
    v1::Lot answer;
    grpc::ClientContext context;
    Demand(v1::CatalogService::NewStub(channel)->GetLot(&context, request, &answer), "GetLot");
  }
  return channels;
}

}  // namespace assay::bench
