#include "client/connection.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <thread>

#include "base/random.h"
#include "base/refusal.h"
#include "client/files.h"

namespace assay::client {
namespace {

// What a service answers at most: images of 16 MiB, the largest a product may have, are well below.
constexpr int kMaxMessageBytes = 32 << 20;

grpc::ChannelArguments Arguments(const Profile& profile) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  if (!profile.server_name.empty()) arguments.SetSslTargetNameOverride(profile.server_name);
  return arguments;
}

// A server only closes the connection on a certificate that has ended, so it is said here. What is
// no certificate is left to gRPC to say.
absl::Status CheckNotExpired(const std::string& pem, const std::string& file) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (!certificate || X509_cmp_current_time(X509_get0_notAfter(certificate.get())) > 0) {
    return absl::OkStatus();
  }
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, "certificate", file,
                     "has expired; the server would not take it");
}

}  // namespace

absl::StatusOr<std::shared_ptr<Connection>> Connection::Open(const Profile& profile,
                                                             const std::string& role,
                                                             CallPatience patience) {
  const auto identity = profile.IdentityOf(role);
  if (!identity.ok()) return identity.status();
  auto ca = ReadTextFile(profile.ca_file);
  if (!ca.ok()) return ca.status();
  auto certificate = ReadTextFile(identity->certificate_file);
  if (!certificate.ok()) return certificate.status();
  ASSAY_RETURN_IF_ERROR(CheckNotExpired(*certificate, identity->certificate_file));
  auto key = ReadTextFile(identity->key_file);
  if (!key.ok()) return key.status();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = *std::move(ca);
  options.pem_cert_chain = *std::move(certificate);
  options.pem_private_key = *key;
  auto channel =
      grpc::CreateCustomChannel(profile.server, grpc::SslCredentials(options), Arguments(profile));
  WipeText(options.pem_private_key);
  WipeText(*key);
  return Over(std::move(channel), patience);
}

std::shared_ptr<Connection> Connection::Over(std::shared_ptr<grpc::Channel> channel,
                                             CallPatience patience) {
  return std::shared_ptr<Connection>(new Connection(std::move(channel), patience));
}

std::chrono::milliseconds WaitBefore(int attempt, std::chrono::milliseconds asked,
                                     const CallPatience& patience) {
  const int doublings = std::min(attempt - 1, 16);
  const std::chrono::milliseconds backoff =
      std::min(patience.longest_wait, patience.first_wait * (1L << doublings));
  // A tenth of jitter keeps the stations of a hall from coming back as one.
  SystemRandom random;
  uint8_t draw = 0;
  random.Fill({&draw, 1});
  const auto wait = std::max(backoff, asked);
  return wait + wait * draw / 2550;
}

void WaitConnecting(grpc::Channel& channel, std::chrono::milliseconds wait) {
  const auto until = std::chrono::system_clock::now() + wait;
  channel.WaitForConnected(until);
  std::this_thread::sleep_until(until);
}

absl::Status Connection::Repeat(
    const std::function<grpc::Status(grpc::ClientContext&)>& attempt) const {
  using Steady = std::chrono::steady_clock;
  const auto last_start = Steady::now() + patience_.in_all;
  for (int number = 1;; ++number) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience_.each);
    const absl::Status status = FromGrpc(attempt(context));
    if (status.ok()) return status;
    const auto asked = RetryAfter(status);
    if (!asked) return status;
    const auto wait = WaitBefore(number, *asked, patience_);
    if (Steady::now() + wait > last_start) return status;
    WaitConnecting(*channel_, wait);
  }
}

std::string NewRequestId() {
  SystemRandom random;
  return ToHex(random.Draw(16));
}

}  // namespace assay::client
