// Figures of the parts, as Metrics asks for them at each scrape.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "server/issue/pipeline.h"
#include "server/ledger/sequencer.h"
#include "server/ops/health.h"
#include "server/ops/metrics.h"
#include "server/rpc/tls.h"

namespace assay::ops {

std::vector<FigureFamily> HsmFigures(const hsm::SignerPoolCounters& counters);
std::vector<FigureFamily> StoreFigures(const db::PoolCounters& counters);
std::vector<FigureFamily> PipelineFigures(const issue::PipelineCounters& counters);
std::vector<FigureFamily> HealthFigures(const Health& health);
std::vector<FigureFamily> LedgerFigures(const ledger::SequencerState& state);
// Beside the time of the scrape this tells how far this replica's clock is off.
std::vector<FigureFamily> ClockFigures(const Clock& clock);
std::vector<FigureFamily> TlsFigures(const rpc::TlsState& state);

// Lots and PAIs, read from the store now and then, kept for the scrapes between. Thread-safe.
class StockTaking {
 public:
  explicit StockTaking(std::shared_ptr<db::Store> store) : store_(std::move(store)) {}
  // Blocks on the store. What cannot be read leaves the former figures.
  absl::Status Take();
  std::vector<FigureFamily> Figures() const;

  // Open lots shown at most, those nearest their end first: labels must stay bounded.
  static constexpr size_t kMaxLots = 200;

 private:
  const std::shared_ptr<db::Store> store_;
  mutable std::mutex mutex_;
  std::vector<FigureFamily> figures_;
};

}  // namespace assay::ops
