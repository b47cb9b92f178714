// Reading is recorded: who read the records, with what filter, how many rows. An entry a minute for
// each reader, call and filter, not one a call, so that a flood cannot fill the ledger.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "db/ledger_store.h"

namespace assay::ledger {

inline constexpr std::string_view kReadEntry = "audit.read";

// Thread-safe.
class ReadTally {
 public:
  ReadTally(std::shared_ptr<db::LedgerStore> store, const Clock& clock);

  // Quick; never blocks on the store. `filter` holds no secret. Beyond kMostKeys different ones
  // since the last Write, filters and then readers are added up as "other".
  void Count(std::string_view reader, std::string_view call, std::string_view filter,
             uint64_t rows);
  // Writes what was counted since the last one; keeps it when the store refuses. Call it once a
  // minute and at the end.
  absl::Status Write();
  // What the last Write said while its entries still wait: no audit, no service. OK again once they
  // are written.
  absl::Status Gate() const;

  static constexpr size_t kMostKeys = 200;

 private:
  struct Key {
    std::string reader, call, filter;
    auto operator<=>(const Key&) const = default;
  };
  struct Sum {
    uint64_t calls = 0, rows = 0;
  };

  const std::shared_ptr<db::LedgerStore> store_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<Key, Sum> counts_;
  absl::Time since_;
  absl::Status failed_;
};

}  // namespace assay::ledger
