// Leases, accounts, and the records for auditors, put together for the daemon.
#pragma once

#include <memory>

#include "base/clock.h"
#include "db/lease_store.h"
#include "db/ledger_store.h"
#include "db/records_store.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "server/ledger/archive.h"
#include "server/ledger/note_signer.h"
#include "server/ledger/read_tally.h"
#include "server/lot/lot_desk.h"
#include "server/ops/config.h"
#include "server/ops/periodic.h"
#include "server/rpc/lot_service.h"
#include "server/rpc/records_service.h"

namespace assay::app {

class RecordsPart {
 public:
  // `clock` must outlive the object. Stores that are absent are opened from the configuration.
  RecordsPart(const ops::Config& config, std::shared_ptr<db::Store> store,
              std::shared_ptr<db::LedgerStore> ledger, std::shared_ptr<db::LotLeaseStore> leases,
              std::shared_ptr<db::RecordsStore> records, std::shared_ptr<hsm::SignerPool> signers,
              ledger::NoteSigner::AskKey key, const Clock& clock);
  // Writes what was read last.
  ~RecordsPart();

  ledger::ReadTally& reads() { return reads_; }
  // What is given outlives the part's services.
  void Serve(const rpc::FrontDesk& desk, rpc::BlockingPool& pool, const rpc::AuditService& audit,
             rpc::PageTokens tokens);
  rpc::LotService& lot_service() { return *lot_service_; }
  rpc::RecordsService& records_service() { return *records_service_; }

  // The record of who read is written once a minute from now on, and soon after it could not be.
  void Start();
  void Stop();

 private:
  absl::Status WriteWhenDue();

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::RecordsStore> records_;
  const Clock& clock_;
  ledger::ReadTally reads_;
  ledger::Archive archive_;
  ledger::NoteSigner signer_;
  lot::LotDesk lots_;
  absl::Time written_;
  std::unique_ptr<rpc::LotService> lot_service_;
  std::unique_ptr<rpc::RecordsService> records_service_;
  std::unique_ptr<ops::Periodic> loop_;
};

}  // namespace assay::app
