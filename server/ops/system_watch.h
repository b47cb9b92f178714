// What the replica knows of the system around it: the database's clock beside its own, the leases
// of all replicas.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "db/system_store.h"
#include "server/ops/metrics.h"

namespace assay::ops {

// Thread-safe.
class SystemWatch {
 public:
  SystemWatch(std::shared_ptr<db::SystemStore> store, const Clock& clock)
      : store_(std::move(store)), clock_(clock) {}

  // Certificates and checkpoints bear the replica's time: beyond this it must not issue.
  static constexpr absl::Duration kMostOffset = absl::Minutes(5);

  // Reads the store; blocks. A health check: refused where the clock is more than kMostOffset off
  // the database's. A database that is away is not the clock's trouble: the last answer stays.
  absl::Status CheckClock();

  // This replica's clock less the database's, taken in the middle of the question; nothing before
  // the first answer.
  std::optional<absl::Duration> offset() const;
  // As last read; `now` is the database's.
  std::optional<db::SystemFacts> facts() const;
  std::vector<FigureFamily> Figures() const;

 private:
  const std::shared_ptr<db::SystemStore> store_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::optional<absl::Duration> offset_;
  std::optional<db::SystemFacts> facts_;
};

std::vector<FigureFamily> OffsetFigures(std::optional<absl::Duration> offset);

}  // namespace assay::ops
