#include "server/issue/fair_gate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::issue {
namespace {

// A line is never refused for its share below so many.
constexpr int kLeastShare = 8;
constexpr size_t kMostBuckets = 4096;

int CountOf(const std::map<std::string, int>& counts, const std::string& name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

void CountOut(std::map<std::string, int>& counts, const std::string& name) {
  const auto found = counts.find(name);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

}  // namespace

absl::Status FairGate::CheckPlaces(const std::string& line, const std::string& lot) const {
  if (in_flight_ >= max_in_flight_) {
    return Refuse(Reason::OVERLOADED, absl::StrCat(in_flight_, " tickets are under way"));
  }
  const int mine = CountOf(of_line_, line);
  if (limits_.line_in_flight > 0 && mine >= limits_.line_in_flight) {
    return RefuseField(
        Reason::RATE_LIMITED, "line", line,
        absl::StrCat("has ", mine, " tickets under way, which is limits.line_in_flight"));
  }
  const int of_lot = CountOf(of_lot_, lot);
  if (limits_.lot_in_flight > 0 && of_lot >= limits_.lot_in_flight) {
    return RefuseField(
        Reason::RATE_LIMITED, "lot", lot,
        absl::StrCat("has ", of_lot, " tickets under way, which is limits.lot_in_flight"));
  }
  if (mine >= std::max(kLeastShare, 2 * (max_in_flight_ - in_flight_))) {
    return Refuse(Reason::OVERLOADED, absl::StrCat("line ", line, " has ", mine,
                                                   " tickets under way; the rest of the places is "
                                                   "kept for other lines"));
  }
  return absl::OkStatus();
}

absl::Status FairGate::TakeToken(const std::string& line, absl::Time now) {
  if (limits_.line_rate <= 0) return absl::OkStatus();
  const double most = std::max(
      1.0, limits_.line_burst > 0 ? static_cast<double>(limits_.line_burst) : limits_.line_rate);
  if (buckets_.size() >= kMostBuckets && !buckets_.contains(line)) {
    // Full ones say nothing.
    std::erase_if(buckets_, [&](const auto& one) {
      return one.second.tokens +
                 absl::ToDoubleSeconds(now - one.second.filled_at) * limits_.line_rate >=
             most;
    });
  }
  const auto [at, fresh] = buckets_.try_emplace(line, Bucket{most, now});
  Bucket& bucket = at->second;
  // A clock that steps back gives nothing and takes nothing.
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled_at));
  bucket.tokens = std::min(most, bucket.tokens + passed * limits_.line_rate);
  bucket.filled_at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return absl::OkStatus();
  }
  const double wait = (1 - bucket.tokens) / limits_.line_rate;
  return RefuseField(
      Reason::RATE_LIMITED, "line", line,
      absl::StrCat("may bring ", limits_.line_rate, " tickets a second, which is limits.line_rate"),
      std::chrono::milliseconds(static_cast<int64_t>(std::ceil(wait * 1000))));
}

absl::Status FairGate::Enter(const std::string& line, const std::string& lot, bool metered,
                             absl::Time now) {
  ASSAY_RETURN_IF_ERROR(CheckPlaces(line, lot));
  if (metered) ASSAY_RETURN_IF_ERROR(TakeToken(line, now));
  ++in_flight_;
  ++of_line_[line];
  ++of_lot_[lot];
  return absl::OkStatus();
}

void FairGate::Leave(const std::string& line, const std::string& lot) {
  --in_flight_;
  CountOut(of_line_, line);
  CountOut(of_lot_, lot);
}

}  // namespace assay::issue
