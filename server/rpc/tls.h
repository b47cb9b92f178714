// The server's certificates: read whole, checked, swapped without a restart.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/secret.h"
#include "grpcpp/security/server_credentials.h"

namespace assay::rpc {

struct TlsFiles {
  std::string certificate;  // PEM: the server's, then its intermediates
  std::string key;          // PEM; readable by its owner (and group) only
  std::string client_ca;    // PEM: one or more CAs of the clients
};

struct TlsState {
  std::string certificate, key, client_ca;  // PEM
  absl::Time not_after;                     // the server certificate's
  absl::Time client_ca_not_after;           // the first of the CAs to end
  uint64_t generation = 0;
  ~TlsState() { WipeText(key); }
};

// Reads and checks: FIELD_REQUIRED for a file that cannot be read, FIELD_NOT_ALLOWED for a key
// others may read, FIELD_MALFORMED for what is no PEM, FIELDS_CONTRADICT where key and certificate
// do not belong together, FIELD_OUT_OF_RANGE for a certificate that has ended or not begun. The
// field is "certificate", "key" or "client_ca".
absl::StatusOr<std::shared_ptr<const TlsState>> ReadTls(const TlsFiles& files, absl::Time now);

// Thread-safe. Handshakes that begin after a reload use the new files; connections that stand stay.
class ServerTls : public std::enable_shared_from_this<ServerTls> {
 public:
  static absl::StatusOr<std::shared_ptr<ServerTls>> Load(const TlsFiles& files, const Clock& clock);

  // True when something changed. A refusal keeps what was there.
  absl::StatusOr<bool> Reload(const TlsFiles& files);
  std::shared_ptr<const TlsState> State() const { return state_.load(); }

  // For one server with one port. Clients must show a certificate one of the CAs signed, valid now.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

 private:
  explicit ServerTls(const Clock& clock) : clock_(clock) {}
  const Clock& clock_;
  std::mutex reload_;
  std::atomic<std::shared_ptr<const TlsState>> state_;
};

}  // namespace assay::rpc
