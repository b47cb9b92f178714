#include "server/app/records_part.h"

#include <utility>

#include "db/pg/lease_store.h"
#include "db/pg/records_store.h"
#include "server/app/open.h"
#include "server/ops/housekeeping.h"

namespace assay::app {
namespace {

constexpr std::chrono::seconds kLook{5};
constexpr absl::Duration kTallying = absl::Minutes(1);

std::shared_ptr<db::LotLeaseStore> OrOpened(std::shared_ptr<db::LotLeaseStore> leases,
                                            const ops::Config& config) {
  return leases != nullptr ? leases : pg::OpenLeaseStore(StoreOptions(config.database));
}

std::shared_ptr<db::RecordsStore> OrOpened(std::shared_ptr<db::RecordsStore> records,
                                           const ops::Config& config) {
  return records != nullptr ? records : pg::OpenRecordsStore(StoreOptions(config.database));
}

}  // namespace

RecordsPart::RecordsPart(const ops::Config& config, std::shared_ptr<db::Store> store,
                         std::shared_ptr<db::LedgerStore> ledger,
                         std::shared_ptr<db::LotLeaseStore> leases,
                         std::shared_ptr<db::RecordsStore> records,
                         std::shared_ptr<hsm::SignerPool> signers, ledger::NoteSigner::AskKey key,
                         const Clock& clock)
    : store_(std::move(store)),
      records_(OrOpened(std::move(records), config)),
      clock_(clock),
      reads_(ledger, clock),
      archive_(ledger),
      signer_(std::move(signers), config.hsm.ledger_key, std::move(key)),
      lots_(store_, OrOpened(std::move(leases), config), records_),
      written_(clock.Now()) {}

RecordsPart::~RecordsPart() {
  Stop();
  static_cast<void>(reads_.Write());
}

void RecordsPart::Serve(const rpc::FrontDesk& desk, rpc::BlockingPool& pool,
                        const rpc::AuditService& audit, rpc::PageTokens tokens) {
  lot_service_ = std::make_unique<rpc::LotService>(desk, pool, lots_);
  rpc::RecordsParts parts;
  parts.store = store_;
  parts.records = records_;
  parts.sign = [this](const std::string& text) { return signer_.Sign(text); };
  parts.checkpoint = [this]() -> absl::StatusOr<std::string> {
    const auto checkpoint = archive_.CheckpointFor(0);
    if (!checkpoint.ok()) return checkpoint.status();
    return checkpoint->note;
  };
  records_service_ = std::make_unique<rpc::RecordsService>(desk, pool, audit, std::move(parts),
                                                           reads_, std::move(tokens), clock_);
}

absl::Status RecordsPart::WriteWhenDue() {
  if (reads_.Gate().ok() && clock_.Now() >= written_ && clock_.Now() < written_ + kTallying) {
    return absl::OkStatus();
  }
  written_ = clock_.Now();
  return reads_.Write();
}

void RecordsPart::Start() {
  loop_ = std::make_unique<ops::Periodic>(
      kLook, ops::Told("read_tally", [this] { return WriteWhenDue(); }));
}

void RecordsPart::Stop() { loop_.reset(); }

}  // namespace assay::app
