#include "server/rpc/tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "base/refusal.h"

namespace assay::rpc {
namespace {

constexpr std::streamsize kMaxFileBytes = 1 << 20;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

absl::StatusOr<std::string> ReadFile(const char* field, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return RefuseField(Reason::FIELD_REQUIRED, field, path, "the file cannot be read");
  std::string text(kMaxFileBytes, '\0');
  file.read(text.data(), kMaxFileBytes);
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

std::vector<Owned<X509>> ParseCertificates(const std::string& pem) {
  std::vector<Owned<X509>> certificates;
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(one);
  return certificates;
}

absl::Time ToTime(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::Status CheckDates(const char* field, const X509* certificate, const std::string& path,
                        absl::Time now) {
  if (ToTime(X509_get0_notAfter(certificate)) < now) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, path, "the certificate has expired");
  }
  if (ToTime(X509_get0_notBefore(certificate)) > now) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, path, "the certificate is not yet valid");
  }
  return absl::OkStatus();
}

absl::Status CheckKey(const TlsFiles& files, const std::string& key_pem, X509* certificate) {
  struct stat facts {};
  if (stat(files.key.c_str(), &facts) != 0 || (facts.st_mode & S_IRWXO) != 0 ||
      (facts.st_mode & S_IWGRP) != 0) {
    return RefuseField(
        Reason::FIELD_NOT_ALLOWED, "key", files.key,
        "others may read or change the file; its mode must be 0600, 0400, 0640 or 0440");
  }
  const Owned<BIO> bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  // An empty passphrase instead of OpenSSL's question on the terminal.
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")));
  if (key == nullptr) {
    return RefuseField(Reason::FIELD_MALFORMED, "key", files.key,
                       "not an unencrypted private key in PEM");
  }
  if (X509_check_private_key(certificate, key.get()) != 1) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "key", files.key,
                       "the key does not belong to the certificate");
  }
  return absl::OkStatus();
}

// What gRPC asks at each handshake: nothing new, or the whole configuration.
class Watch {
 public:
  explicit Watch(std::shared_ptr<ServerTls> tls) : tls_(std::move(tls)) {}

  static grpc_ssl_certificate_config_reload_status Ask(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Watch*>(self)->Fetch(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const std::shared_ptr<const TlsState> state = tls_->State();
    const std::lock_guard lock(mutex_);
    if (state->generation == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair{state->key.c_str(), state->certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(state->client_ca.c_str(), &pair, 1);
    given_ = state->generation;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const std::shared_ptr<ServerTls> tls_;
  std::mutex mutex_;
  uint64_t given_ = 0;
};

// The C core can ask for certificates at each handshake; the C++ wrapping of it is not public, so
// here is one.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(std::shared_ptr<ServerTls> tls) : watch_(std::move(tls)) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &Watch::Ask, &watch_));
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }
  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  Watch watch_;
  grpc_server_credentials* credentials_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsState>> ReadTls(const TlsFiles& files, absl::Time now) {
  auto state = std::make_shared<TlsState>();
  auto certificate = ReadFile("certificate", files.certificate);
  auto key = ReadFile("key", files.key);
  auto client_ca = ReadFile("client_ca", files.client_ca);
  for (const auto* text : {&certificate, &key, &client_ca}) ASSAY_RETURN_IF_ERROR(text->status());
  state->certificate = *std::move(certificate);
  state->key = *std::move(key);
  state->client_ca = *std::move(client_ca);

  const auto chain = ParseCertificates(state->certificate);
  if (chain.empty()) {
    return RefuseField(Reason::FIELD_MALFORMED, "certificate", files.certificate,
                       "holds no certificate in PEM");
  }
  ASSAY_RETURN_IF_ERROR(CheckDates("certificate", chain[0].get(), files.certificate, now));
  ASSAY_RETURN_IF_ERROR(CheckKey(files, state->key, chain[0].get()));
  state->not_after = ToTime(X509_get0_notAfter(chain[0].get()));

  const auto authorities = ParseCertificates(state->client_ca);
  if (authorities.empty()) {
    return RefuseField(Reason::FIELD_MALFORMED, "client_ca", files.client_ca,
                       "holds no certificate in PEM");
  }
  state->client_ca_not_after = absl::InfiniteFuture();
  for (const auto& authority : authorities) {
    state->client_ca_not_after =
        std::min(state->client_ca_not_after, ToTime(X509_get0_notAfter(authority.get())));
  }
  return state;
}

absl::StatusOr<std::shared_ptr<ServerTls>> ServerTls::Load(const TlsFiles& files,
                                                           const Clock& clock) {
  std::shared_ptr<ServerTls> tls(new ServerTls(clock));
  const auto changed = tls->Reload(files);
  if (!changed.ok()) return changed.status();
  return tls;
}

absl::StatusOr<bool> ServerTls::Reload(const TlsFiles& files) {
  const std::lock_guard lock(reload_);
  auto read = ReadTls(files, clock_.Now());
  if (!read.ok()) return read.status();
  const std::shared_ptr<const TlsState> before = state_.load();
  if (before != nullptr && before->certificate == (*read)->certificate &&
      before->key == (*read)->key && before->client_ca == (*read)->client_ca) {
    return false;
  }
  auto next = std::make_shared<TlsState>(**read);
  next->generation = before == nullptr ? 1 : before->generation + 1;
  state_.store(std::move(next));
  return true;
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::Credentials() {
  return std::make_shared<ReloadingCredentials>(shared_from_this());
}

}  // namespace assay::rpc
