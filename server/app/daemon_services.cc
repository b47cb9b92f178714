#include <chrono>
#include <utility>

#include "base/refusal.h"
#include "db/pg/pg_store.h"
#include "db/pg/witness_store.h"
#include "server/app/daemon_impl.h"
#include "server/app/open.h"
#include "server/app/part_options.h"
#include "server/app/version.h"
#include "server/approve/hold.h"
#include "server/lot/lot_key.h"

namespace assay::app {

absl::Status Daemon::Impl::MakeServices() {
  ASSAY_RETURN_IF_ERROR(MakeDesks());
  MakeRecords();
  MakeIssuingServices();
  MakeRecordServices();
  return absl::OkStatus();
}

absl::Status Daemon::Impl::MakeDesks() {
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
  const lot::Guard guard =
      config_.approval.required ? approve::Hold(parts_.approvals, random_, lifetime) : lot::Guard();
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
  return absl::OkStatus();
}

void Daemon::Impl::MakeRecords() {
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
}

void Daemon::Impl::MakeIssuingServices() {
  issuance_ =
      std::make_unique<rpc::IssuanceService>(*desk_,
                                             // No audit, no service.
                                             rpc::IssuanceCalls::To(*pipeline_).Behind([this] {
                                               const absl::Status fork = sequencer_->MayIssue();
                                               return fork.ok() ? records_->reads().Gate() : fork;
                                             }),
                                             calls_.get(), &revocation_->verification());
  catalog_service_ = std::make_unique<rpc::CatalogService>(
      *desk_, *calls_, *catalog_, rpc::PageTokens(PageTokenKey(*tls_->State())),
      rpc::ServerFacts{kVersion, config_.production, config_.hsm.image_certificate});
  authority_service_ = std::make_unique<rpc::AuthorityService>(*desk_, *calls_, *authority_,
                                                               revocation_->revocation());
  keys_->Serve(*desk_, *calls_, *authority_);
  approval_service_ = std::make_unique<rpc::ApprovalService>(
      *desk_, *calls_, *approvals_, rpc::PageTokens(PageTokenKey(*tls_->State())));
}

void Daemon::Impl::MakeRecordServices() {
  audit_service_ = std::make_unique<rpc::AuditService>(
      *desk_, *calls_, parts_.store, rpc::PageTokens(PageTokenKey(*tls_->State())),
      [this](const db::ManifestRow& stored, v1::ManifestRow& row) {
        return codes_->Open(stored, row);
      },
      &records_->reads());
  records_->Serve(*desk_, *calls_, *audit_service_, rpc::PageTokens(PageTokenKey(*tls_->State())));
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
}

}  // namespace assay::app
