// Refusals of authority, added up: an entry a minute for each caller, call and reason, not one a
// refusal, so that a flood cannot fill the ledger.
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
#include "base/refusal.h"
#include "db/ledger_store.h"

namespace assay::ledger {

inline constexpr std::string_view kRefusedEntry = "access.refused";

// Whether a refusal says that somebody tried what is not theirs.
bool IsOfAuthority(Reason reason);

// Thread-safe.
class RefusalTally {
 public:
  RefusalTally(std::shared_ptr<db::LedgerStore> store, const Clock& clock);

  // Quick; never blocks on the store. Beyond kMostKeys different ones since the last Write, callers
  // are added up as "other".
  void Count(std::string_view caller, std::string_view call, Reason reason);
  // Writes what was counted since the last one; keeps it when the store refuses. Call it once a
  // minute and at the end.
  absl::Status Write();

  static constexpr size_t kMostKeys = 200;

 private:
  struct Key {
    std::string caller, call;
    Reason reason = Reason::INTERNAL;
    auto operator<=>(const Key&) const = default;
  };

  const std::shared_ptr<db::LedgerStore> store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<Key, uint64_t> counts_;
  absl::Time since_;
};

}  // namespace assay::ledger
