// Lines that issue without pause and ask again, with the same ticket, until each unit has its
// identity.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"

namespace assay::chaos {

class IssuingLoad {
 public:
  using Steady = std::chrono::steady_clock;

  // `lines` tickets of `lot` in flight.
  IssuingLoad(std::shared_ptr<grpc::Channel> channel, std::string lot, int lines);
  ~IssuingLoad() { Stop(); }

  // Waits until each line was given an identity it asked for again or anew after `since`, and says
  // when the first and the last were; false after `longest`.
  bool AwaitEachLine(Steady::time_point since, std::chrono::milliseconds longest,
                     Steady::time_point& first, Steady::time_point& last);
  // Refusals so far, by reason.
  std::map<std::string, int> Refused() const;
  // Ends when every ticket begun has its identity.
  void Stop();
  // By ticket: what was given. After Stop.
  const std::map<std::string, v1::Identity>& given() const { return given_; }

 private:
  void Issue(int line);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::string lot_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, v1::Identity> given_;
  std::map<std::string, int> refused_;
  std::vector<std::vector<Steady::time_point>> successes_;  // by line
  std::vector<std::thread> threads_;
};

}  // namespace assay::chaos
