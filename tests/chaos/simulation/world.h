// A factory in a bottle: lines, replicas, one store, one token, a clock that jumps, and one chance
// that decides it all.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/simulation/fibers.h"
#include "tests/chaos/simulation/replica.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::simulation {

class JumpingClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now;
};

// The token and what stands in the store before the first ticket; made once a program.
struct Ground {
  Ground();

  issue::Workshop workshop;
  db::Product product;
  db::Lot lot;
  db::Pai pai;
  absl::Time made_at;
};

class World {
 public:
  World(Ground& ground, Fibers& fibers, uint64_t seed, Planted planted = Planted::kNone);
  ~World();

  // To the end, when every ticket was asked for until it had its answer. What was seen.
  const Facts& Run();
  int issued() const { return issued_; }
  int replicas() const { return born_; }

 private:
  // Who asks for a ticket, and with which content; the first to be heard has it.
  struct Who {
    int ticket = 0, line = 0, content = 0;
    bool operator==(const Who&) const = default;
  };
  struct Given {
    Who who;
    std::string bytes;
    std::string device_id;
  };
  struct Suspended {
    Fiber* fiber;
    Replica* replica;
    int queue;
  };
  enum class Answer { kNone, kGiven, kWiped, kQuota, kConflict, kAnotherLine, kAgain };

  void Birth();
  void Step();
  void Environment(Replica& replica);
  // False where nothing waited.
  bool RunBatch(Replica& replica, int queue);
  void ResumeOne();
  // Runs until nothing moves any more.
  void Settle();
  void Ask(Replica& replica, Who who, bool fetch, std::optional<Answer>* told);
  void Confirm(Replica& replica, Who who);
  Answer Heard(const Replica& replica, Who who, bool fetch, const issue::Outcome& outcome);
  void CheckGiven(Who who, const v1::IssueResponse& response);
  void AskForAll();
  void AskUntilAnswered(int ticket);
  void CheckBooks();
  Replica* Living();
  void Fault(std::string what) { facts_.faults.push_back(std::move(what)); }

  Ground& ground_;
  Fibers& fibers_;
  const Planted planted_;
  const bool reserve_;  // verifiers and keys are made ahead, two of each
  Chance chance_;
  Facts facts_;
  bool calm_ = false;
  JumpingClock clock_;
  issue::SilentObserver observer_;
  std::shared_ptr<test_support::MemoryStore> store_;
  db::Lot lot_;
  int tickets_ = 0, born_ = 0, issued_ = 0, unanswered_ = 0;
  std::vector<std::unique_ptr<Replica>> replicas_;  // the dead too
  std::vector<Suspended> suspended_;
  std::map<int, Given> given_;
  std::map<int, bool> confirmed_;
  std::map<int, bool> refused_for_quota_;
};

}  // namespace assay::simulation
