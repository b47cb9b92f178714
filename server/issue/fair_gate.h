// Who may enter the pipeline, and in which order: no line's burst starves another.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace assay::issue {

// 0: no such limit.
struct FairLimits {
  double line_rate = 0;    // tickets a second of one line
  int line_burst = 0;      // tickets a line may bring at once before the rate counts; 0: a second's
  int line_in_flight = 0;  // tickets and confirmations under way
  int lot_in_flight = 0;
};

// Not thread-safe: whoever owns it locks.
//
// Besides what the limits say, a line holds at most twice what is still free, so that however many
// tickets one line brings, a place is left for the next one: alone it gets two thirds of
// `max_in_flight`, of two greedy lines each gets two fifths. The refusals, all with a hint when to
// come again: OVERLOADED where the service is full or the line has its share, RATE_LIMITED where a
// limit of the configuration says so.
class FairGate {
 public:
  explicit FairGate(int max_in_flight) : max_in_flight_(max_in_flight) {}

  void SetLimits(FairLimits limits) { limits_ = limits; }

  // Counts the call in when OK. `metered`: it takes from the line's rate.
  absl::Status Enter(const std::string& line, const std::string& lot, bool metered, absl::Time now);
  void Leave(const std::string& line, const std::string& lot);
  int in_flight() const { return in_flight_; }

 private:
  struct Bucket {
    double tokens = 0;
    absl::Time filled_at;
  };
  absl::Status CheckPlaces(const std::string& line, const std::string& lot) const;
  absl::Status TakeToken(const std::string& line, absl::Time now);

  const int max_in_flight_;
  FairLimits limits_;
  int in_flight_ = 0;
  std::map<std::string, int> of_line_, of_lot_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace assay::issue
