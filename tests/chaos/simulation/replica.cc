#include "tests/chaos/simulation/replica.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tests/chaos/simulation/fibers.h"

namespace assay::simulation {
namespace {

absl::Status Away() { return Refuse(Reason::STORE_UNAVAILABLE, "simulated: the store is away"); }
absl::Status InDoubt() {
  return Refuse(Reason::STORE_IN_DOUBT, "simulated: nobody knows whether it was committed");
}

}  // namespace

// Two places where others may come between: before the database does it, and before the answer is
// heard.
absl::Status ReplicaStore::Pass(CallKind kind, const std::function<void()>& work) {
  Fibers::Pause();
  if (fate_.dead) return Away();
  const uint64_t lot = fate_.calm ? 100 : fate_.chance.Below(100);
  if (lot < 2) {
    fate_.Die("before a commit");
    return Away();
  }
  if (lot < 5) {
    ++fate_.facts.refusals;
    return Away();
  }
  const bool write = kind == CallKind::kWrite;
  if (write && lot < 7) {
    ++fate_.facts.doubts;
    fate_.facts.trace += absl::StrCat(fate_.name, " in doubt, not done\n");
    return InDoubt();
  }
  work();
  if (lot < 9) fate_.Die("after a commit");
  Fibers::Pause();
  if (fate_.dead) return Away();
  if (lot < 12) {
    ++fate_.facts.lost_replies;
    fate_.facts.trace += absl::StrCat(fate_.name, " loses an answer\n");
    return write ? InDoubt() : Away();
  }
  return absl::OkStatus();
}

std::vector<absl::StatusOr<db::TicketView>> ReplicaStore::FindTickets(
    std::span<const db::TicketKey> keys) {
  auto views = ForwardingStore::FindTickets(keys);
  for (size_t i = 0; i < keys.size(); ++i) {
    fate_.facts.trace += absl::StrCat(
        fate_.name, " looks at ", keys[i].ticket, ": ",
        views[i].ok() ? absl::StrCat("state ", static_cast<int>(views[i]->state), " attempt ",
                                     views[i]->attempt_id, " of ", views[i]->instance_id)
                      : "unheard",
        "\n");
  }
  if (planted_ == Planted::kDoubleClaim) {
    for (auto& view : views) {
      if (view.ok()) *view = {};
    }
  }
  return views;
}

absl::StatusOr<int64_t> ReplicaStore::Record(db::Intent intent, const std::string& id) {
  auto recorded = inner().RecordIntents({&intent, 1}, id)[0];
  for (int more = 1;
       planted_ == Planted::kDoubleClaim && HasReason(recorded.status(), Reason::TICKET_IN_FLIGHT);
       ++more) {
    db::Intent again = intent;
    again.ticket += absl::StrCat("#", more);
    if (!again.serial_number.empty()) again.serial_number += absl::StrCat("#", more);
    recorded = inner().RecordIntents({&again, 1}, id)[0];
  }
  if (!recorded.ok()) return recorded;
  fate_.facts.recorded.insert(intent.tbs_sha256);
  if (!fate_.facts.serials.insert(intent.dac_serial).second) {
    fate_.facts.faults.push_back("a DAC serial was used twice: " + ToHex(intent.dac_serial));
  }
  return recorded;
}

std::vector<absl::StatusOr<int64_t>> ReplicaStore::RecordIntents(
    std::span<const db::Intent> intents, const std::string& id) {
  std::vector<absl::StatusOr<int64_t>> results(intents.size(), 0);
  const absl::Status passed = Pass(CallKind::kWrite, [&] {
    for (size_t i = 0; i < intents.size(); ++i) {
      results[i] = planted_ == Planted::kIntentForgotten ? static_cast<int64_t>(1'000'000 + i)
                                                         : Record(intents[i], id);
    }
  });
  if (!passed.ok()) results.assign(intents.size(), passed);
  for (size_t i = 0; i < intents.size(); ++i) {
    fate_.facts.trace += absl::StrCat(
        fate_.name, " hears of the intent for ", intents[i].ticket, ": ",
        results[i].ok() ? absl::StrCat("attempt ", *results[i])
                        : std::string(ReasonName(RefusalOf(results[i].status())->reason)),
        "\n");
  }
  return results;
}

std::vector<absl::Status> ReplicaStore::SealTickets(std::span<const db::Seal> seals) {
  std::vector<db::Seal> changed(seals.begin(), seals.end());
  if (planted_ == Planted::kEntryForgotten) {
    for (db::Seal& seal : changed) seal.ledger_entry.clear();
  }
  auto results = ForwardingStore::SealTickets(changed);
  if (planted_ == Planted::kDoubtGuessed && !fate_.dead) {
    for (absl::Status& result : results) {
      if (HasReason(result, Reason::STORE_IN_DOUBT)) result = absl::OkStatus();
    }
  }
  return results;
}

std::vector<absl::Status> ReplicaStore::VoidAttempts(std::span<const db::Void> voids) {
  if (planted_ == Planted::kVoidForgotten) return std::vector<absl::Status>(voids.size());
  auto results = ForwardingStore::VoidAttempts(voids);
  for (size_t i = 0; i < voids.size(); ++i) {
    fate_.facts.trace += absl::StrCat(fate_.name, " voids attempt ", voids[i].attempt_id, ", ",
                                      voids[i].why, results[i].ok() ? "\n" : ": unheard\n");
  }
  return results;
}

void ReplicaSigner::Serve() {
  const size_t which = fate_.chance.Below(waiting_.size());
  const Asked asked = std::move(waiting_[which]);
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(which));
  const uint64_t lot = fate_.calm ? 100 : fate_.chance.Below(100);
  if (lot < 2 && !fate_.dead) fate_.Die("before a signature");
  if (fate_.dead || lot < 5) {
    return asked.done(Refuse(Reason::HSM_UNAVAILABLE, "simulated: the HSM is away"));
  }
  if (asked.label != image_key_) {
    ++fate_.facts.dac_signatures;
    if (!fate_.facts.recorded.contains(asked.digest)) {
      fate_.facts.faults.push_back("signed what was not recorded first: " + ToHex(asked.digest));
    }
  }
  auto signature = token_->Sign(asked.label, asked.digest);
  if (lot < 7) fate_.Die("between the HSM's reply and the seal");
  if (lot < 9) {
    signature = Refuse(Reason::HSM_TIMEOUT, "simulated: the HSM's answer was lost");
    ++fate_.facts.lost_replies;
  }
  asked.done(std::move(signature));
}

Replica::Replica(Fate given, std::shared_ptr<test_support::MemoryStore> world,
                 std::shared_ptr<hsm::Token> token, const Clock& clock, issue::Observer& observer,
                 issue::PipelineOptions options, uint64_t seed, Planted planted)
    : fate(std::move(given)),
      random(seed),
      store(std::make_shared<ReplicaStore>(std::move(world), fate, planted)),
      signer(std::make_shared<ReplicaSigner>(token, options.image_key, fate)) {
  options.instance_id = fate.name;
  options.crypto_threads = options.store_threads = 0;
  options.plan_keep = std::chrono::hours(24);
  pipeline =
      std::make_unique<issue::Pipeline>(store, token, signer, random, clock, observer, options);
}

}  // namespace assay::simulation
