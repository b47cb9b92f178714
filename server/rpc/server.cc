#include "server/rpc/server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "base/refusal.h"

namespace assay::rpc {

namespace {

// gRPC's own lines (a handshake that failed, mostly) join ours instead of breaking the log's form.
void LogGrpc(gpr_log_func_args* args) {
  Log(args->severity == GPR_LOG_SEVERITY_DEBUG ? LogLevel::kDebug : LogLevel::kWarning, "grpc",
      {{"message", args->message}});
}

// Which text of which message is not UTF-8, mostly.
void LogProtobuf(google::protobuf::LogLevel level, const char* /*file*/, int /*line*/,
                 const std::string& message) {
  Log(level == google::protobuf::LOGLEVEL_INFO ? LogLevel::kDebug : LogLevel::kWarning, "protobuf",
      {{"message", message}});
}

}  // namespace

const std::vector<std::string>& ServiceNames() {
  static const std::vector<std::string> names = {
      "assay.v1.ApprovalService", "assay.v1.AuditService",   "assay.v1.AuthorityService",
      "assay.v1.BundleService",   "assay.v1.CatalogService", "assay.v1.IssuanceService",
      "assay.v1.LedgerService",   "assay.v1.LotService",     "assay.v1.PaiKeyService",
      "assay.v1.RecordsService",  "assay.v1.SystemService",  "assay.v1.WitnessService"};
  return names;
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const ServerOptions& options, const std::vector<grpc::Service*>& services) {
  // Registries of gRPC's and protobuf's own; gRPC reads its when a server is built.
  static const bool plugins = [] {
    gpr_set_log_function(&LogGrpc);
    google::protobuf::SetLogHandler(&LogProtobuf);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // gRPC's mutexes are Abseil's, and a build of that with assertions, as Debian's is, looks for
    // deadlocks in each: in a graph of all of them under one spin lock of the process.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    return true;
  }();
  static_cast<void>(plugins);

  std::unique_ptr<RpcServer> made(new RpcServer());
  made->credentials_ = options.credentials;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, options.credentials, &made->port_);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.SetMaxSendMessageSize(options.max_send_bytes);
  grpc::ResourceQuota quota("assay");
  quota.Resize(options.memory_quota_bytes);
  builder.SetResourceQuota(quota);
  // Two daemons on one port would share its callers at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(
      GRPC_ARG_MAX_CONNECTION_AGE_MS,
      static_cast<int>(
          std::chrono::duration_cast<std::chrono::milliseconds>(options.connection_age).count()));
  made->server_ = builder.BuildAndStart();
  if (made->server_ == nullptr || made->port_ == 0) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "listen", options.listen,
                       "the address cannot be listened on");
  }
  made->SetServing(false);
  return made;
}

RpcServer::~RpcServer() {
  if (server_ != nullptr) Shutdown(std::chrono::milliseconds(0));
}

void RpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus(serving);
  for (const std::string& name : ServiceNames()) health->SetServingStatus(name, serving);
}

void RpcServer::Shutdown(std::chrono::milliseconds grace) {
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_->Wait();
}

}  // namespace assay::rpc
