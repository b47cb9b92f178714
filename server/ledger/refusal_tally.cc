#include "server/ledger/refusal_tally.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace assay::ledger {
namespace {

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

bool IsOfAuthority(Reason reason) {
  switch (reason) {
    case Reason::CALLER_UNKNOWN:
    case Reason::ROLE_MISSING:
    case Reason::LOT_NOT_GRANTED:
    case Reason::SAME_PERSON:
    case Reason::TICKET_OF_ANOTHER_LINE:
      return true;
    default:
      return false;
  }
}

RefusalTally::RefusalTally(std::shared_ptr<db::LedgerStore> store, const Clock& clock)
    : store_(std::move(store)), clock_(clock), since_(clock.Now()) {}

void RefusalTally::Count(std::string_view caller, std::string_view call, Reason reason) {
  Key key{std::string(caller.substr(0, 256)), std::string(call), reason};
  std::lock_guard lock(mutex_);
  if (counts_.size() >= kMostKeys && !counts_.contains(key)) key.caller = "other";
  ++counts_[key];
}

absl::Status RefusalTally::Write() {
  std::map<Key, uint64_t> counts;
  const absl::Time until = clock_.Now();
  absl::Time since;
  {
    std::lock_guard lock(mutex_);
    counts = std::exchange(counts_, {});
    since = std::exchange(since_, until);
  }
  if (counts.empty()) return absl::OkStatus();
  std::vector<std::string> bodies;
  for (const auto& [key, count] : counts) {
    const nlohmann::json body = {{"actor", key.caller},   {"call", key.call},
                                 {"count", count},        {"from", Stamp(since)},
                                 {"kind", kRefusedEntry}, {"reason", ReasonName(key.reason)},
                                 {"until", Stamp(until)}};
    bodies.push_back(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  const absl::Status status = store_->AddEntries(kRefusedEntry, bodies);
  // In doubt is done: a count twice would be a lie, a count lost is told by the log.
  if (status.ok() || HasReason(status, Reason::STORE_IN_DOUBT)) return status;
  std::lock_guard lock(mutex_);
  for (const auto& [key, count] : counts) counts_[key] += count;
  since_ = since;
  return status;
}

}  // namespace assay::ledger
