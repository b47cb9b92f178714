// Lines that work a shift: issue, ask again, confirm, scrap, and never give up on a ticket.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"

namespace assay::chaos {

struct ShiftOptions {
  std::string lot = "struck";
  int lines = 6;
  // Before the tickets' names, for several shifts in one lot.
  std::string name = "line";
  // A line that is told the lot is exhausted goes home.
  bool until_exhausted = false;
};

// What a line holds in its hands.
struct Given {
  std::string device_id, dac_serial, dac_sha256;  // hex
};

// Each line has one ticket in flight. Every fourth is asked for again and compared to the byte,
// every third confirmed, every twentieth scrapped.
class Shift {
 public:
  using Steady = std::chrono::steady_clock;

  // Line i asks on channels[i % channels.size()], and again on the next one.
  Shift(std::vector<std::shared_ptr<grpc::Channel>> channels, ShiftOptions options);
  ~Shift() { Stop(); }
  Shift(const Shift&) = delete;
  Shift& operator=(const Shift&) = delete;

  // Until each line was given an identity that it began to ask for after this call; false after
  // ten minutes, which means never.
  bool AwaitEachLine();
  // Until somebody was refused with this reason (empty: any) after this call; false likewise.
  bool AwaitRefusal(const std::string& reason = "");
  // Refusals so far, by reason.
  std::map<std::string, int> Refused() const;
  // How many identities were given so far.
  size_t Count() const;
  // Until every line went home by itself.
  void AwaitEnd();
  // Ends when every ticket begun has its identity and every confirmation its answer.
  void Stop();

  // After Stop: by ticket.
  const std::map<std::string, Given>& given() const { return given_; }
  // After Stop: answers to a ticket that was asked for again that were not the first to the byte.
  int differed() const { return differed_; }
  const std::string& lot() const { return options_.lot; }

 private:
  using Stub = v1::IssuanceService::Stub;

  void Work(size_t line);
  // Again and again; false where the line goes home.
  bool Ask(Stub& stub, const v1::IssueRequest& request, v1::Identity& identity);
  void Confirm(Stub& stub, const std::string& ticket, v1::Outcome outcome);
  void Refuse(const grpc::Status& status);
  bool Await(const std::function<bool()>& done);

  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  const ShiftOptions options_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Given> given_;
  std::map<std::string, int> refused_;
  int differed_ = 0;
  // By line: tickets begun, and the last one that was answered.
  std::vector<int> begun_, answered_;
  std::vector<std::thread> threads_;
};

}  // namespace assay::chaos
