// One assayd of the simulated world: the real pipeline, and all that it can reach.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/issue/pipeline.h"
#include "tests/chaos/simulation/forwarding_store.h"
#include "tests/support/memory_store.h"

namespace assay::simulation {

// Bugs planted between the pipeline and its store, to see that they are found.
enum class Planted {
  kNone,
  kIntentForgotten,  // an intent is said to be recorded, and is not
  kDoubleClaim,      // a ticket is claimed again though it is in use or sealed
  kDoubtGuessed,     // a commit in doubt is taken for done
  kVoidForgotten,    // an attempt is said to be voided, and is not
  kEntryForgotten,   // an identity is sealed without its ledger entry
};

// What all replicas share, and what was seen of them.
struct Facts {
  std::vector<std::string> faults;  // broken promises, in words
  std::set<Sha256Digest> recorded;  // digests that stand in an intent
  std::set<Bytes> serials;          // of DACs, of all attempts
  std::string trace;                // every decision and what came of it
  int crashes = 0, lost_replies = 0, doubts = 0, refusals = 0;
  int dac_signatures = 0;
};

// Decides all that is left to chance. The same seed decides the same.
class Chance {
 public:
  explicit Chance(uint64_t seed) : source_(seed) {}
  uint64_t Below(uint64_t bound) { return source_() % bound; }
  // In `percent` of cases.
  bool Happens(unsigned percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 source_;
};

// Repeatable; only for a simulation.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : source_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(source_());
  }

 private:
  std::mt19937_64 source_;
};

// A dead replica reaches nothing: its calls have no effect, and nobody hears its answers. So it
// stands for a process ended by kill -9, though what was left in its queues is cleared away in
// peace.
struct Fate {
  Chance& chance;
  Facts& facts;
  bool& calm;  // no faults from now on
  std::string name;
  bool dead = false;

  void Die(const char* where) {
    dead = true;
    ++facts.crashes;
    facts.trace += name + " dies " + where + "\n";
  }
};

class ReplicaStore final : public ForwardingStore {
 public:
  ReplicaStore(std::shared_ptr<db::Store> inner, Fate& fate, Planted planted)
      : ForwardingStore(std::move(inner)), fate_(fate), planted_(planted) {}

  std::vector<absl::StatusOr<db::TicketView>> FindTickets(
      std::span<const db::TicketKey> keys) override;
  std::vector<absl::StatusOr<int64_t>> RecordIntents(std::span<const db::Intent> intents,
                                                     const std::string& id) override;
  std::vector<absl::Status> SealTickets(std::span<const db::Seal> seals) override;
  std::vector<absl::Status> VoidAttempts(std::span<const db::Void> voids) override;

 protected:
  absl::Status Pass(CallKind kind, const std::function<void()>& work) override;

 private:
  absl::StatusOr<int64_t> Record(db::Intent intent, const std::string& id);

  Fate& fate_;
  const Planted planted_;
};

// Signs when it is told to, in any order.
class ReplicaSigner final : public hsm::Signer {
 public:
  ReplicaSigner(std::shared_ptr<hsm::Token> token, std::string image_key, Fate& fate)
      : token_(std::move(token)), image_key_(std::move(image_key)), fate_(fate) {}

  void Sign(std::string label, const Sha256Digest& digest, Deadline, Done done) override {
    waiting_.push_back({std::move(label), digest, std::move(done)});
  }
  size_t waiting() const { return waiting_.size(); }
  // One of those that wait.
  void Serve();

 private:
  struct Asked {
    std::string label;
    Sha256Digest digest;
    Done done;
  };
  const std::shared_ptr<hsm::Token> token_;
  const std::string image_key_;
  Fate& fate_;
  std::deque<Asked> waiting_;
};

class Replica {
 public:
  Replica(Fate fate, std::shared_ptr<test_support::MemoryStore> world,
          std::shared_ptr<hsm::Token> token, const Clock& clock, issue::Observer& observer,
          issue::PipelineOptions options, uint64_t seed, Planted planted);

  Fate fate;
  int running[2] = {0, 0};  // batches under way, by queue
  SeededRandom random;
  std::shared_ptr<ReplicaStore> store;
  std::shared_ptr<ReplicaSigner> signer;
  std::unique_ptr<issue::Pipeline> pipeline;
};

}  // namespace assay::simulation
