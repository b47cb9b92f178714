// Calls that come whether the former ones are answered or not, each with its deadline in its
// ticket's name.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"

namespace assay::chaos {

struct Storm {
  double seconds = 0;
  uint64_t asked = 0, given = 0, late = 0, overloaded = 0, expired = 0, other = 0, unhinted = 0;
  std::vector<double> answer_ms, refusal_ms;  // ascending

  double Rate() const { return static_cast<double>(given) / seconds; }
};

class StormyLoad {
 public:
  StormyLoad(std::vector<std::shared_ptr<grpc::Channel>> channels, std::string lot,
             std::chrono::milliseconds patience);

  // Both count all that was given, from the first question to the last identity. Identities come in
  // waves as long as a ticket is under way: a window cut out of the middle counts whole waves.

  // So many calls under way, for so long.
  Storm Closed(int in_flight, std::chrono::milliseconds length);
  // So many calls a second, for so long.
  Storm Open(double rate, std::chrono::milliseconds length);

 private:
  using Steady = std::chrono::steady_clock;
  struct Call;

  // `ask` is called again and again with the seconds that have passed.
  Storm Run(std::chrono::milliseconds length, const std::function<void(double)>& ask);
  void Ask();
  void Count(const Call& call, const grpc::Status& status);

  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<v1::IssuanceService::Stub>> stubs_;
  const std::string lot_;
  const std::chrono::milliseconds patience_;
  uint64_t number_ = 0;
  std::atomic<int> under_way_{0};
  std::mutex mutex_;
  Storm storm_;
  Steady::time_point last_given_;
};

}  // namespace assay::chaos
