// Figures of the parts, as Metrics asks for them at each scrape.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
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
// `serving`: which of several tokens signs; 0 is the first.
std::vector<FigureFamily> FailoverFigures(size_t serving);
std::vector<FigureFamily> StoreFigures(const db::PoolCounters& counters);
std::vector<FigureFamily> PipelineFigures(const issue::PipelineCounters& counters);
std::vector<FigureFamily> HealthFigures(const Health& health);
std::vector<FigureFamily> LedgerFigures(const ledger::SequencerState& state);
// Beside the time of the scrape this tells how far this replica's clock is off.
std::vector<FigureFamily> ClockFigures(const Clock& clock);
std::vector<FigureFamily> TlsFigures(const rpc::TlsState& state);

// One for each key that is refused now.
FigureFamily KeyFigures(const std::vector<std::string>& unfit);
// Until the first revocation list ends; nothing where there is none.
std::vector<FigureFamily> CrlFigures(std::optional<absl::Duration> left);
// `left` of this replica's lease, by its own steady clock; what it began may be voided by others
// from zero on.
std::vector<FigureFamily> LeaseFigures(std::chrono::milliseconds left);
std::vector<FigureFamily> StockFigures(std::vector<db::Lot> open, const std::vector<db::Pai>& pais);

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
