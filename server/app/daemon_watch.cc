#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "db/pg/migrate.h"
#include "hsm/p256.h"
#include "matter/certificate.h"
#include "server/app/daemon_impl.h"
#include "server/app/version.h"
#include "server/ops/system_status.h"

namespace assay::app {
namespace {

constexpr std::chrono::milliseconds kSequencing{200};
constexpr std::chrono::minutes kTallying{1}, kExpiring{1};
constexpr std::chrono::seconds kTlsPoll{10}, kOrphans{2}, kStockTaking{15}, kHsmCheckTime{3};

}  // namespace

v1::SystemStatus Daemon::Impl::TellSystem() {
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

// Signs through the pool, as issuing does: a hung token costs the check its time and nothing more.
absl::Status Daemon::Impl::CheckHsm() {
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
    const absl::Status wrong =
        Refuse(Reason::HSM_BAD_SIGNATURE, "hsm.image_certificate does not belong to the key " +
                                              config_.hsm.image_key + ", or the HSM signs wrongly");
    hsm_faults_.Met(wrong);
    return wrong;
  }
  return absl::OkStatus();
}

void Daemon::Impl::StartLoops() {
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
  AddFigures();
  keys_->Start(parts_.store);
}

void Daemon::Impl::AddFigures() {
  metrics_.AddSource([this] { return ops::LedgerFigures(sequencer_->State()); });
  metrics_.AddSource([this] { return ops::ClockFigures(clock_); });
  metrics_.AddSource([this] { return system_watch_->Figures(); });
  metrics_.AddSource([this] { return ops::LeaseFigures(housekeeping_->LeaseLeft()); });
  metrics_.AddSource([this] { return revocation_->Figures(); });
  metrics_.AddSource([this] { return keys_->Figures(); });
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

absl::Status Daemon::Impl::StartHttp() {
  if (config_.metrics_listen == "off") return absl::OkStatus();
  auto http = ops::HttpServer::Start(
      config_.metrics_listen, {[this] { return metrics_.Text(); },
                               [this](std::string& why) {
                                 for (const ops::Health::Part& part : health_->Parts()) {
                                   if (part.status.ok()) continue;
                                   why +=
                                       part.name + ": " + std::string(part.status.message()) + "; ";
                                 }
                                 return health_->Ready();
                               }});
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

}  // namespace assay::app
