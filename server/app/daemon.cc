#include "server/app/daemon.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "db/pg/approval_store.h"
#include "db/pg/ledger_store.h"
#include "db/pg/pg_store.h"
#include "db/pg/revocation_store.h"
#include "db/pg/system_store.h"
#include "matter/ecdsa.h"
#include "matter/pbkdf2.h"
#include "server/app/daemon_impl.h"
#include "server/app/open.h"
#include "server/app/part_options.h"
#include "server/app/version.h"

namespace assay::app {

Daemon::Impl::Impl(const ops::Config& config, DaemonParts parts)
    : config_(config),
      parts_(std::move(parts)),
      clock_(parts_.clock == nullptr ? system_clock_ : *parts_.clock),
      metrics_(kVersion),
      grants_(access::GrantList(config.grants)) {}

Daemon::Impl::~Impl() {
  if (!drained_) Stop(std::chrono::milliseconds(0));
  http_.reset();
  if (revocation_ != nullptr) revocation_->Stop();
  if (records_ != nullptr) records_->Stop();
  expiry_loop_.reset();
  if (keys_ != nullptr) keys_->Stop();
  metrics_.ForgetSources();
  stock_loop_.reset();
  tally_loop_.reset();
  ledger_loop_.reset();
  tls_loop_.reset();
  orphan_loop_.reset();
  health_.reset();
  server_.reset();
  // Attempts under way end before the lease does.
  pipeline_.reset();
  housekeeping_.reset();
  if (tally_ != nullptr) static_cast<void>(tally_->Write());
  sequencer_.reset();
}

absl::Status Daemon::Impl::Start() {
  SetLogLevel(config_.log_level);
  // Chosen here, while nothing else wants the processor: in part by measuring.
  LogInfo("kernels",
          {{"pbkdf2", matter::Pbkdf2Choice()},
           {"signature_checks", matter::VerifiesSideBySide() ? "side by side" : "one by one"}});
  ASSAY_RETURN_IF_ERROR(OpenLeaves());
  ASSAY_RETURN_IF_ERROR(MakeServices());
  ASSAY_RETURN_IF_ERROR(Listen());
  StartLoops();
  ASSAY_RETURN_IF_ERROR(revocation_->Start());
  return StartHttp();
}

absl::Status Daemon::Impl::Reload(const ops::Config& next) {
  grants_.Replace(access::GrantList(next.grants));
  desk_->SetLimits(next.limits.calls);
  pipeline_->SetLimits(next.limits.fair);
  SetLogLevel(next.log_level);
  if (next.fixed_parts != config_.fixed_parts) {
    LogWarning("reload", {{"message",
                           "some changed settings wait for a restart: only grants, log, "
                           "limits of calls and the content of the TLS files are reloaded"}});
  }
  const auto changed = tls_->Reload(config_.tls);
  if (!changed.ok()) return Within("tls", changed.status());
  LogInfo("reload", {{"grants", static_cast<int64_t>(next.grants.size())},
                     {"tls", *changed ? "new" : "same"}});
  return absl::OkStatus();
}

void Daemon::Impl::Stop(std::chrono::milliseconds grace) {
  drained_ = true;
  if (health_ != nullptr) health_->Stop();
  if (grace.count() > 0) std::this_thread::sleep_for(config_.limits.drain_delay);
  if (issuance_ != nullptr) issuance_->Drain();
  if (pipeline_ != nullptr) pipeline_->Drain();
  if (server_ != nullptr) server_->Shutdown(grace);
}

absl::Status Daemon::Impl::OpenLeaves() {
  instance_id_ = InstanceId(random_);
  if (parts_.store == nullptr) parts_.store = pg::OpenStore(StoreOptions(config_.database));
  if (parts_.ledger == nullptr) {
    parts_.ledger = pg::OpenLedgerStore(StoreOptions(config_.database));
  }
  if (parts_.revocations == nullptr) {
    parts_.revocations = pg::OpenRevocationStore(StoreOptions(config_.database));
  }
  if (parts_.approvals == nullptr) {
    parts_.approvals = pg::OpenApprovalStore(StoreOptions(config_.database));
  }
  if (parts_.token == nullptr) {
    auto opened = OpenTokens(config_.hsm, [this](const pkcs11::Pkcs11Fault& fault) {
      hsm_faults_.Reported(fault.fault_class, fault.call, fault.ckr);
    });
    if (!opened.ok()) return Within("hsm", opened.status());
    parts_.token = std::move(opened->token);
    failover_ = std::move(opened->failover);
  }
  keys_ = std::make_unique<KeyPart>(config_, parts_.token);
  parts_.token = keys_->token();
  // A database that is down may come back; a schema of another program will not change by
  // waiting.
  const absl::Status store = parts_.store->CheckHealth();
  if (HasReason(store, Reason::SCHEMA_MISMATCH)) return Within("database", store);
  if (!store.ok()) LogWarning("store_away", {{"message", std::string(store.message())}});
  system_watch_ = std::make_unique<ops::SystemWatch>(
      pg::OpenSystemStore(StoreOptions(config_.database)), clock_);
  housekeeping_ = std::make_unique<ops::Housekeeping>(
      parts_.store,
      ops::HousekeepingOptions{.instance_id = instance_id_, .lease = config_.limits.lease});
  return absl::OkStatus();
}

absl::Status Daemon::Impl::Listen() {
  rpc::ServerOptions options;
  options.listen = config_.listen;
  options.credentials = tls_->Credentials();
  auto server = rpc::RpcServer::Start(
      options, {issuance_.get(), catalog_service_.get(), authority_service_.get(),
                &keys_->service(), approval_service_.get(), audit_service_.get(),
                ledger_service_.get(), witness_service_.get(), &records_->lot_service(),
                &records_->records_service(), bundle_service_.get(), system_service_.get()});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const ops::Config& config,
                                                      DaemonParts parts) {
  auto impl = std::make_unique<Impl>(config, std::move(parts));
  ASSAY_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

int Daemon::port() const { return impl_->server().port(); }
int Daemon::http_port() const { return impl_->http() == nullptr ? 0 : impl_->http()->port(); }
int Daemon::crl_port() const { return impl_->crl_port(); }
bool Daemon::Ready() const { return impl_->health().Ready(); }
std::string Daemon::MetricsText() const { return impl_->metrics().Text(); }
bool Daemon::AwaitReady(bool ready, std::chrono::milliseconds longest) {
  return impl_->health().Await(ready, longest);
}
bool Daemon::AwaitPart(const std::string& name, bool well, std::chrono::milliseconds longest) {
  return impl_->health().AwaitPart(name, well, longest);
}
absl::Status Daemon::Reload(const ops::Config& config) { return impl_->Reload(config); }
void Daemon::Drain() { impl_->Stop(impl_->config().limits.drain); }

}  // namespace assay::app
