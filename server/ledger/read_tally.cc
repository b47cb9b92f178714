#include "server/ledger/read_tally.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/refusal.h"

namespace assay::ledger {
namespace {

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

ReadTally::ReadTally(std::shared_ptr<db::LedgerStore> store, const Clock& clock)
    : store_(std::move(store)), clock_(clock), since_(clock.Now()) {}

void ReadTally::Count(std::string_view reader, std::string_view call, std::string_view filter,
                      uint64_t rows) {
  Key key{std::string(reader.substr(0, 256)), std::string(call),
          std::string(filter.substr(0, 1024))};
  const std::lock_guard lock(mutex_);
  if (counts_.size() >= kMostKeys && !counts_.contains(key)) {
    key.filter = "other";
    // As many readers again have their own sum, and no more.
    if (counts_.size() >= 2 * kMostKeys && !counts_.contains(key)) key.reader = "other";
  }
  Sum& sum = counts_[key];
  ++sum.calls;
  sum.rows += rows;
}

absl::Status ReadTally::Write() {
  std::map<Key, Sum> counts;
  const absl::Time until = clock_.Now();
  absl::Time since;
  {
    const std::lock_guard lock(mutex_);
    counts = std::exchange(counts_, {});
    since = std::exchange(since_, until);
  }
  if (counts.empty()) return absl::OkStatus();
  std::vector<std::string> bodies;
  for (const auto& [key, sum] : counts) {
    const nlohmann::json body = {{"actor", key.reader},  {"call", key.call},
                                 {"calls", sum.calls},   {"filter", key.filter},
                                 {"from", Stamp(since)}, {"kind", kReadEntry},
                                 {"rows", sum.rows},     {"until", Stamp(until)}};
    bodies.push_back(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  const absl::Status status = store_->AddEntries(kReadEntry, bodies);
  const std::lock_guard lock(mutex_);
  // In doubt is done: a count twice would be a lie, a count lost is told by the log.
  if (status.ok() || HasReason(status, Reason::STORE_IN_DOUBT)) {
    failed_ = absl::OkStatus();
    return status;
  }
  for (const auto& [key, sum] : counts) {
    Sum& kept = counts_[key];
    kept.calls += sum.calls;
    kept.rows += sum.rows;
  }
  since_ = since;
  failed_ = Within("the record of who read cannot be written", status);
  return status;
}

absl::Status ReadTally::Gate() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

}  // namespace assay::ledger
