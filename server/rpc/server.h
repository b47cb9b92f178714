// The gRPC server around the services: limits, health, reflection, and an orderly end.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"

namespace assay::rpc {

struct ServerOptions {
  std::string listen;  // "0.0.0.0:7443", "[::]:7443", "unix:..." ; port 0 takes a free one
  std::shared_ptr<grpc::ServerCredentials> credentials;
  int max_receive_bytes = 4 << 20;
  int max_send_bytes = 32 << 20;
  size_t memory_quota_bytes = 128 << 20;  // of gRPC's own buffers
  int max_concurrent_streams = 1024;      // a connection
  std::chrono::minutes connection_age{
      30};  // then the client is asked to connect anew, with its newest certificate
};

class RpcServer {
 public:
  // Serves at once, whatever the store does, as NOT_SERVING until SetServing. FIELD_NOT_ALLOWED
  // where the address cannot be had.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const ServerOptions& options, const std::vector<grpc::Service*>& services);
  ~RpcServer();

  int port() const { return port_; }
  // The standard health service: the server as a whole ("") and each service by its name.
  void SetServing(bool serving);
  // No new calls; those under way may end within `grace`, then they are cut. Returns when all are
  // gone.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  RpcServer() = default;
  // gRPC asks them for certificates at each handshake but does not own them: they outlive the
  // server.
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// "assay.v1.IssuanceService" and its kin.
const std::vector<std::string>& ServiceNames();

}  // namespace assay::rpc
