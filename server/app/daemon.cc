#include "server/app/daemon.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "db/pg/approval_store.h"
#include "db/pg/ledger_store.h"
#include "db/pg/migrate.h"
#include "db/pg/pg_store.h"
#include "db/pg/revocation_store.h"
#include "db/pg/system_store.h"
#include "db/pg/witness_store.h"
#include "hsm/p256.h"
#include "hsm/signer_pool.h"
#include "matter/certificate.h"
#include "server/app/key_part.h"
#include "server/app/open.h"
#include "server/app/records_part.h"
#include "server/app/revocation_part.h"
#include "server/app/version.h"
#include "server/approve/approval_desk.h"
#include "server/approve/hold.h"
#include "server/authority/authority.h"
#include "server/ledger/refusal_tally.h"
#include "server/ledger/sequencer.h"
#include "server/lot/catalog.h"
#include "server/lot/lot_key.h"
#include "server/ops/figures.h"
#include "server/ops/health.h"
#include "server/ops/housekeeping.h"
#include "server/ops/hsm_faults.h"
#include "server/ops/http.h"
#include "server/ops/metrics.h"
#include "server/ops/system_status.h"
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
namespace {

constexpr std::chrono::milliseconds kSequencing{200};
constexpr std::chrono::minutes kTallying{1}, kExpiring{1};
constexpr std::chrono::seconds kTlsPoll{10}, kOrphans{2}, kStockTaking{15}, kHsmCheckTime{3};

std::string InstanceId(Random& random) {
  std::array<char, 65> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return std::string(host.data()) + "/" + std::to_string(getpid()) + "/" + ToHex(random.Draw(4));
}

absl::StatusOr<matter::CdSignerSet> CdSigners(const ops::Config& config) {
  matter::CdSignerSet signers;
  const auto add = [&](const Bytes& der, bool sandbox) -> absl::Status {
    const auto certificate = matter::Certificate::Parse(der);
    if (!certificate.ok()) return Within("trust.cd_signers", certificate.status());
    return Within("trust.cd_signers", signers.Add(*certificate, sandbox));
  };
  for (const Bytes& der : config.trust.cd_signers) ASSAY_RETURN_IF_ERROR(add(der, false));
  if (!config.production) {
    ASSAY_RETURN_IF_ERROR(add(config.sandbox.cd_certificate, true));
    signers.AddSdkTestSigner();
  }
  return signers;
}

authority::AuthorityOptions AuthorityPart(const ops::Config& config, lot::Guard guard) {
  authority::AuthorityOptions options;
  options.guard = std::move(guard);
  options.other_keys = {config.hsm.image_key, config.hsm.wrapping_key, config.hsm.ledger_key};
  options.production = config.production;
  options.trusted_paas = config.trust.paas;
  if (!config.production) {
    // The authority itself trusts the sandbox's PAA.
    options.sandbox_paa_key = config.sandbox.paa_key;
    options.sandbox_paa_certificate = config.sandbox.paa_certificate;
    options.sandbox_cd_key = config.sandbox.cd_key;
    options.sandbox_cd_certificate = config.sandbox.cd_certificate;
  }
  return options;
}

issue::PipelineOptions PipelinePart(const ops::Config& config, const std::string& instance_id) {
  issue::PipelineOptions options;
  options.instance_id = instance_id;
  options.production = config.production;
  options.image_key = config.hsm.image_key;
  options.image_certificate = config.hsm.image_certificate;
  options.wrapping_key = config.hsm.wrapping_key;
  options.crypto_threads = config.limits.crypto_threads;
  options.store_threads = config.limits.store_threads;
  options.max_batch = config.limits.max_batch;
  options.max_in_flight = config.limits.max_in_flight;
  options.max_active = config.limits.max_active;
  options.limits = config.limits.fair;
  options.least_deadline = config.limits.calls.deadline.least;
  return options;
}

// Page tokens of replicas that share a TLS key are interchangeable; a new key ends running listings
// only.
SecretBytes PageTokenKey(const rpc::TlsState& tls) {
  const Sha256Digest digest = Sha256(AsBytes("assay page tokens\n" + tls.key));
  return SecretBytes::CopyOf(digest);
}

}  // namespace

class Daemon::Impl {
 public:
  Impl(const ops::Config& config, DaemonParts parts)
      : config_(config),
        parts_(std::move(parts)),
        clock_(parts_.clock == nullptr ? system_clock_ : *parts_.clock),
        metrics_(kVersion),
        grants_(access::GrantList(config.grants)) {}

  ~Impl() {
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

  absl::Status Start() {
    SetLogLevel(config_.log_level);
    ASSAY_RETURN_IF_ERROR(OpenLeaves());
    ASSAY_RETURN_IF_ERROR(MakeServices());
    ASSAY_RETURN_IF_ERROR(Listen());
    StartLoops();
    ASSAY_RETURN_IF_ERROR(revocation_->Start());
    return StartHttp();
  }

  absl::Status Reload(const ops::Config& next) {
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

  void Stop(std::chrono::milliseconds grace) {
    drained_ = true;
    if (health_ != nullptr) health_->Stop();
    if (grace.count() > 0) std::this_thread::sleep_for(config_.limits.drain_delay);
    if (issuance_ != nullptr) issuance_->Drain();
    if (pipeline_ != nullptr) pipeline_->Drain();
    if (server_ != nullptr) server_->Shutdown(grace);
  }

  const ops::Config& config() const { return config_; }
  rpc::RpcServer& server() { return *server_; }
  int crl_port() const { return revocation_->port(); }
  ops::HttpServer* http() { return http_.get(); }
  ops::Health& health() { return *health_; }
  const ops::Metrics& metrics() const { return metrics_; }

 private:
  absl::Status OpenLeaves() {
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

  absl::Status MakeServices() {
    auto tls = rpc::ServerTls::Load(config_.tls, clock_);
    if (!tls.ok()) return Within("tls", tls.status());
    tls_ = *std::move(tls);
    auto signers = CdSigners(config_);
    if (!signers.ok()) return signers.status();

    hsm::SignerPoolOptions pool;
    pool.threads = config_.hsm.signer_threads;
    pool.on_failure = [this](const absl::Status& status) { hsm_faults_.Met(status); };
    signers_ = std::make_shared<hsm::SignerPool>(parts_.token, pool);
    pipeline_ =
        std::make_unique<issue::Pipeline>(parts_.store, parts_.token, signers_, random_, clock_,
                                          hsm_faults_, PipelinePart(config_, instance_id_));
    const std::chrono::seconds lifetime =
        std::chrono::ceil<std::chrono::seconds>(config_.approval.lifetime);
    const lot::Guard guard = config_.approval.required
                                 ? approve::Hold(parts_.approvals, random_, lifetime)
                                 : lot::Guard();
    auto revocation = RevocationPart::Make(config_, parts_.store, parts_.revocations, parts_.token,
                                           signers_, *signers, random_, clock_, guard);
    if (!revocation.ok()) return revocation.status();
    revocation_ = *std::move(revocation);
    lot::CatalogOptions catalog;
    catalog.production = config_.production;
    catalog.wrapping_key = config_.hsm.wrapping_key;
    catalog.cd_signers = *std::move(signers);
    catalog.guard = guard;
    catalog_ = std::make_unique<lot::Catalog>(parts_.store, parts_.token, random_, clock_,
                                              std::move(catalog));
    authority_ = std::make_unique<authority::Authority>(parts_.store, parts_.token, random_, clock_,
                                                        AuthorityPart(config_, guard));
    approvals_ = std::make_unique<approve::ApprovalDesk>(
        parts_.approvals,
        approve::ActParts{catalog_.get(), authority_.get(), &revocation_->revocation()},
        [this](const std::string& uri) { return grants_.FindCaller(uri); }, random_, lifetime);
    codes_ = std::make_unique<rpc::RowCodes>(
        parts_.store, std::make_shared<lot::LotKeys>(parts_.token, config_.hsm.wrapping_key));

    ledger::SequencerOptions sequencing;
    sequencing.instance_id = instance_id_;
    sequencing.key = config_.hsm.ledger_key;
    sequencer_ = std::make_unique<ledger::Sequencer>(parts_.ledger, parts_.token, signers_, clock_,
                                                     sequencing);
    tally_ = std::make_unique<ledger::RefusalTally>(parts_.ledger, clock_);
    records_ = std::make_unique<RecordsPart>(
        config_, parts_.store, parts_.ledger, parts_.leases, parts_.records, signers_,
        [this] { return sequencer_->PublicKey(); }, clock_);
    watch_ = std::make_unique<rpc::RefusalWatch>(metrics_, *tally_);
    desk_ = std::make_unique<rpc::FrontDesk>(grants_, random_, *watch_, config_.limits.calls);
    calls_ = std::make_unique<rpc::BlockingPool>(config_.limits.call_threads,
                                                 static_cast<size_t>(config_.limits.call_queue));
    issuance_ =
        std::make_unique<rpc::IssuanceService>(*desk_,
                                               // No audit, no service.
                                               rpc::IssuanceCalls::To(*pipeline_).Behind([this] {
                                                 const absl::Status fork = sequencer_->MayIssue();
                                                 return fork.ok() ? records_->reads().Gate() : fork;
                                               }),
                                               calls_.get(), &revocation_->verification());
    catalog_service_ = std::make_unique<rpc::CatalogService>(
        *desk_, *calls_, *catalog_,
        rpc::ServerFacts{kVersion, config_.production, config_.hsm.image_certificate});
    authority_service_ = std::make_unique<rpc::AuthorityService>(*desk_, *calls_, *authority_,
                                                                 revocation_->revocation());
    keys_->Serve(*desk_, *calls_, *authority_);
    approval_service_ = std::make_unique<rpc::ApprovalService>(*desk_, *calls_, *approvals_);
    audit_service_ = std::make_unique<rpc::AuditService>(
        *desk_, *calls_, parts_.store, rpc::PageTokens(PageTokenKey(*tls_->State())),
        [this](const db::ManifestRow& stored, v1::ManifestRow& row) {
          return codes_->Open(stored, row);
        },
        &records_->reads());
    records_->Serve(*desk_, *calls_, *audit_service_,
                    rpc::PageTokens(PageTokenKey(*tls_->State())));
    witness_service_ =
        std::make_unique<rpc::WitnessService>(*desk_, *calls_, parts_.store, parts_.ledger,
                                              pg::OpenWitnessStore(StoreOptions(config_.database)),
                                              [this] { return sequencer_->PublicKey(); });
    ledger_service_ = std::make_unique<rpc::LedgerService>(
        *desk_, *calls_, parts_.store, parts_.ledger, [this] { return sequencer_->PublicKey(); });
    bundler_ = std::make_unique<issue::Bundler>(
        parts_.store, parts_.ledger,
        std::make_shared<lot::LotKeys>(parts_.token, config_.hsm.wrapping_key), signers_, clock_,
        issue::BundleOptions{config_.hsm.image_key, config_.hsm.image_certificate});
    bundle_service_ = std::make_unique<rpc::BundleService>(*desk_, *calls_, *bundler_);
    system_service_ = std::make_unique<rpc::SystemService>(*desk_, [this] { return TellSystem(); });
    return absl::OkStatus();
  }

  v1::SystemStatus TellSystem() {
    v1::SystemStatus status;
    status.set_version(kVersion);
    status.set_mode(config_.production ? "production" : "sandbox");
    status.set_instance(instance_id_);
    ops::SetTime(clock_.Now(), status.mutable_now());
    ops::SetTime(started_at_, status.mutable_started_at());
    ops::TellHsm(signers_->Counters(), status);
    ops::TellDatabase(parts_.store->Counters(), *system_watch_, pg::SchemaVersion(), status);
    ops::TellLedger(sequencer_->State(), status);
    ops::TellPipeline(pipeline_->Counters(), status);
    std::vector<ops::FigureFamily> figures = revocation_->Figures();
    // The service answers as soon as it listens, which is before the loops begin.
    const std::lock_guard lock(looping_mutex_);
    if (health_ != nullptr) ops::TellHealth(*health_, status);
    if (stock_ != nullptr) {
      for (ops::FigureFamily& family : stock_->Figures()) figures.push_back(std::move(family));
    }
    ops::TellEndings(*tls_->State(), figures, clock_.Now(), status);
    return status;
  }

  absl::Status Listen() {
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

  // Signs through the pool, as issuing does: a hung token costs the check its time and nothing
  // more.
  absl::Status CheckHsm() {
    const auto certificate = matter::Certificate::Parse(config_.hsm.image_certificate);
    if (!certificate.ok()) return Within("hsm.image_certificate", certificate.status());
    const Sha256Digest digest = Sha256(random_.Draw(32));
    const auto signature =
        signers_->SignAndWait(config_.hsm.image_key, digest, Deadline::In(kHsmCheckTime));
    if (!signature.ok()) return signature.status();
    hsm::PublicPoint point{};
    if (certificate->public_key().size() == point.size()) {
      std::copy(certificate->public_key().begin(), certificate->public_key().end(), point.begin());
    }
    if (!hsm::VerifySignature(point, digest, *signature)) {
      const absl::Status wrong = Refuse(Reason::HSM_BAD_SIGNATURE,
                                        "hsm.image_certificate does not belong to the key " +
                                            config_.hsm.image_key + ", or the HSM signs wrongly");
      hsm_faults_.Met(wrong);
      return wrong;
    }
    return absl::OkStatus();
  }

  void StartLoops() {
    auto health = std::make_unique<ops::Health>(
        std::vector<ops::HealthCheck>{{"store", [this] { return parts_.store->CheckHealth(); }},
                                      {"hsm", [this] { return CheckHsm(); }},
                                      {"clock", [this] { return system_watch_->CheckClock(); }},
                                      {"ledger", [this] { return sequencer_->MayIssue(); }}},
        config_.limits.health_interval, [this](bool ready) { server_->SetServing(ready); });
    auto stock = std::make_unique<ops::StockTaking>(parts_.store);
    {
      const std::lock_guard lock(looping_mutex_);
      health_ = std::move(health);
      stock_ = std::move(stock);
    }
    tls_loop_ =
        std::make_unique<ops::Periodic>(kTlsPoll, ops::Told("tls_reload", [this]() -> absl::Status {
                                          const auto changed = tls_->Reload(config_.tls);
                                          if (changed.ok() && *changed) LogInfo("tls_reloaded");
                                          return changed.status();
                                        }));
    orphan_loop_ = std::make_unique<ops::Periodic>(kOrphans, [this] { pipeline_->VoidOrphans(); });
    stock_loop_ = std::make_unique<ops::Periodic>(
        kStockTaking, ops::Told("stock_taking", [this] { return stock_->Take(); }));
    ledger_loop_ = std::make_unique<ops::Periodic>(
        kSequencing, ops::Told("ledger", [this] { return sequencer_->RunOnce(); }));
    tally_loop_ = std::make_unique<ops::Periodic>(
        kTallying, ops::Told("refusal_tally", [this] { return tally_->Write(); }));
    expiry_loop_ = std::make_unique<ops::Periodic>(
        kExpiring, ops::Told("proposal_expiry", [this] { return approvals_->Round(); }));
    records_->Start();
    metrics_.AddSource([this] { return ops::LedgerFigures(sequencer_->State()); });
    metrics_.AddSource([this] { return ops::ClockFigures(clock_); });
    metrics_.AddSource([this] { return system_watch_->Figures(); });
    metrics_.AddSource([this] { return ops::LeaseFigures(housekeeping_->LeaseLeft()); });
    metrics_.AddSource([this] { return revocation_->Figures(); });
    metrics_.AddSource([this] { return keys_->Figures(); });
    keys_->Start(parts_.store);
    metrics_.AddSource([this] { return ops::HsmFigures(signers_->Counters()); });
    if (failover_ != nullptr) {
      metrics_.AddSource([this] { return ops::FailoverFigures(failover_->serving()); });
    }
    metrics_.AddSource([this] { return ops::StoreFigures(parts_.store->Counters()); });
    metrics_.AddSource([this] { return ops::PipelineFigures(pipeline_->Counters()); });
    metrics_.AddSource([this] { return ops::HealthFigures(*health_); });
    metrics_.AddSource([this] { return ops::TlsFigures(*tls_->State()); });
    metrics_.AddSource([this] { return stock_->Figures(); });
  }

  absl::Status StartHttp() {
    if (config_.metrics_listen == "off") return absl::OkStatus();
    auto http = ops::HttpServer::Start(config_.metrics_listen,
                                       {[this] { return metrics_.Text(); },
                                        [this](std::string& why) {
                                          for (const ops::Health::Part& part : health_->Parts()) {
                                            if (part.status.ok()) continue;
                                            why += part.name + ": " +
                                                   std::string(part.status.message()) + "; ";
                                          }
                                          return health_->Ready();
                                        }});
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    return absl::OkStatus();
  }

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
