// The daemon's inside: what it is made of, and in which order. Only the files daemon*.cc know it.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "hsm/failover_token.h"
#include "hsm/signer_pool.h"
#include "server/app/daemon.h"
#include "server/app/key_part.h"
#include "server/app/records_part.h"
#include "server/app/revocation_part.h"
#include "server/approve/approval_desk.h"
#include "server/authority/authority.h"
#include "server/issue/pipeline.h"
#include "server/ledger/refusal_tally.h"
#include "server/ledger/sequencer.h"
#include "server/lot/catalog.h"
#include "server/ops/figures.h"
#include "server/ops/health.h"
#include "server/ops/housekeeping.h"
#include "server/ops/hsm_faults.h"
#include "server/ops/http.h"
#include "server/ops/metrics.h"
#include "server/ops/system_watch.h"
#include "server/rpc/approval_service.h"
#include "server/rpc/audit_service.h"
#include "server/rpc/authority_service.h"
#include "server/rpc/bundle_service.h"
#include "server/rpc/catalog_service.h"
#include "server/rpc/issuance_service.h"
#include "server/rpc/ledger_service.h"
#include "server/rpc/row_codes.h"
#include "server/rpc/server.h"
#include "server/rpc/system_service.h"
#include "server/rpc/witness_service.h"

namespace assay::app {

class Daemon::Impl {
 public:
  Impl(const ops::Config& config, DaemonParts parts);
  ~Impl();

  absl::Status Start();
  absl::Status Reload(const ops::Config& next);
  void Stop(std::chrono::milliseconds grace);

  const ops::Config& config() const { return config_; }
  rpc::RpcServer& server() { return *server_; }
  int crl_port() const { return revocation_->port(); }
  ops::HttpServer* http() { return http_.get(); }
  ops::Health& health() { return *health_; }
  const ops::Metrics& metrics() const { return metrics_; }

 private:
  // daemon.cc, in this order.
  absl::Status OpenLeaves();
  absl::Status Listen();

  // daemon_services.cc: what issues and records, then the services that offer it.
  absl::Status MakeServices();
  absl::Status MakeDesks();
  void MakeRecords();
  void MakeIssuingServices();
  void MakeRecordServices();

  // daemon_watch.cc: what runs beside the calls, and what tells of it.
  absl::Status CheckHsm();
  void StartLoops();
  void AddFigures();
  absl::Status StartHttp();
  v1::SystemStatus TellSystem();

  const ops::Config config_;
  DaemonParts parts_;
  const SystemClock system_clock_;
  const Clock& clock_;
  SystemRandom random_;
  std::string instance_id_;
  const absl::Time started_at_ = clock_.Now();
  std::mutex looping_mutex_;  // health_ and stock_ come when calls are served already
  ops::Metrics metrics_;
  ops::HsmFaults hsm_faults_{metrics_};
  access::Grants grants_;
  std::shared_ptr<rpc::ServerTls> tls_;
  std::unique_ptr<ops::SystemWatch> system_watch_;
  std::unique_ptr<ops::Housekeeping> housekeeping_;
  std::shared_ptr<hsm::FailoverToken> failover_;  // null where there is one token
  std::shared_ptr<hsm::SignerPool> signers_;
  std::unique_ptr<issue::Pipeline> pipeline_;
  std::unique_ptr<lot::Catalog> catalog_;
  std::unique_ptr<authority::Authority> authority_;
  std::unique_ptr<RevocationPart> revocation_;
  std::unique_ptr<KeyPart> keys_;
  std::unique_ptr<approve::ApprovalDesk> approvals_;
  std::unique_ptr<rpc::RowCodes> codes_;
  std::unique_ptr<ledger::Sequencer> sequencer_;
  std::unique_ptr<ledger::RefusalTally> tally_;
  std::unique_ptr<rpc::RefusalWatch> watch_;
  std::unique_ptr<RecordsPart> records_;
  std::unique_ptr<rpc::FrontDesk> desk_;
  std::unique_ptr<rpc::IssuanceService> issuance_;
  std::unique_ptr<rpc::CatalogService> catalog_service_;
  std::unique_ptr<rpc::AuthorityService> authority_service_;
  std::unique_ptr<rpc::ApprovalService> approval_service_;
  std::unique_ptr<rpc::AuditService> audit_service_;
  std::unique_ptr<rpc::LedgerService> ledger_service_;
  std::unique_ptr<rpc::WitnessService> witness_service_;
  std::unique_ptr<rpc::SystemService> system_service_;
  std::unique_ptr<issue::Bundler> bundler_;
  std::unique_ptr<rpc::BundleService> bundle_service_;
  std::unique_ptr<rpc::BlockingPool> calls_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::unique_ptr<ops::Health> health_;
  std::unique_ptr<ops::Periodic> tls_loop_, orphan_loop_, stock_loop_, ledger_loop_, tally_loop_,
      expiry_loop_;
  std::unique_ptr<ops::StockTaking> stock_;
  std::unique_ptr<ops::HttpServer> http_;
  bool drained_ = false;
};

}  // namespace assay::app
