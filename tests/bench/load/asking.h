// The two ways a line asks: a call for each identity, or many over a few streams.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "assay/v1/issuance.pb.h"
#include "tests/bench/load/service.h"

namespace assay::bench {

using Steady = std::chrono::steady_clock;

// One identity asked for.
struct Question {
  v1::IssueRequest request;
  Steady::time_point due;
  bool counted = false;  // where a rate is given
};

// Told once of each question's end, on any thread, without a lock held; it may ask anew. `fault` is
// empty where the answer was an identity for this ticket.
using Take = std::function<void(const Question& question, const std::string& fault)>;

class Asking {
 public:
  virtual ~Asking() = default;
  // Thread-safe. Questions go to the connections in turn.
  virtual void Ask(Question question) = 0;
  // Once each question has been answered; nothing may be asked any more.
  virtual void End() {}
};

// `take` outlives what is made.
std::unique_ptr<Asking> AskByCalls(const Channels& channels, const Take& take);
// One stream each channel, open until End.
std::unique_ptr<Asking> AskByStreams(const Channels& channels, const Take& take);

// Makes the images whole, as `assay issue` does. Empty where `answer` is an identity made for
// `ticket`, with its certificate and its image.
std::string FaultOf(v1::IssueResponse& answer, const std::string& ticket);

}  // namespace assay::bench
