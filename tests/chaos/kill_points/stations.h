// Stations of several lines that issue in every way there is, ask again until they are answered,
// and remember what they were given.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"

namespace assay::chaos {

struct Held {
  v1::IssueRequest request;
  std::string bytes;  // of the identity
  std::string device_id, dac_serial;
  bool confirmed = false;
};

class Stations {
 public:
  // The replicas to ask, the one that is struck first; asked before each call.
  using Replicas = std::function<std::vector<std::shared_ptr<grpc::Channel>>()>;

  explicit Stations(Replicas replicas) : replicas_(std::move(replicas)) {}
  ~Stations() { Stop(); }
  Stations(const Stations&) = delete;
  Stations& operator=(const Stations&) = delete;

  // A station that brings ticket after ticket of that lot. `make` adds to a request.
  using Make = std::function<void(v1::IssueRequest&)>;
  void Single(const std::string& lot, const std::string& name, const Make& make = {});
  // The same by IssueStream, eight tickets at a time.
  void Stream(const std::string& lot, const std::string& name);
  // Two stations of one line that bring the same tickets at once, to different replicas.
  void Pair(const std::string& lot, const std::string& name);
  // One that goes on until it is told that the lot is exhausted, and then asks now and again.
  void Few(const std::string& lot, const std::string& name);
  // Ends when every ticket begun is answered.
  void Stop();

  // After Stop, by lot and ticket.
  const std::map<std::string, Held>& held() const { return held_; }
  // Answers for one ticket that were not the same to the byte.
  int doubled() const { return doubled_; }
  std::map<std::string, int> Refused() const;

 private:
  std::shared_ptr<grpc::Channel> Replica(size_t number) const;
  // Until it is answered; false where the lot is exhausted.
  bool Ask(const v1::IssueRequest& request, size_t first);
  void Confirm(const v1::IssueRequest& request);
  void Keep(const v1::IssueRequest& request, const v1::Identity& identity);
  void CountRefusal(const std::string& reason);

  const Replicas replicas_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::map<std::string, Held> held_;
  std::map<std::string, int> refused_;
  int doubled_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace assay::chaos
