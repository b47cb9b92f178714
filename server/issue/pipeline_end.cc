#include "base/refusal.h"
#include "base/testpoint.h"
#include "server/issue/pipeline_impl.h"
#include "server/issue/prove.h"
#include "server/issue/together.h"
#include "server/issue/wipe.h"

namespace assay::issue {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kMaxSealTries = 5;

}  // namespace

// ---- step 8: seal
// ----------------------------------------------------------------------------------------

void Pipeline::Impl::SealBatch(std::vector<Errand> batch) {
  std::vector<db::Seal> seals;
  for (const Errand& errand : batch) seals.push_back(std::move(*errand.work->seal));
  ASSAY_STRETCH("seal");
  const auto outcomes = store_->SealTickets(seals);
  std::vector<WorkPtr> sealed;
  for (size_t i = 0; i < batch.size(); ++i) {
    const WorkPtr& work = batch[i].work;
    const absl::Status& outcome = outcomes[i];
    if (outcome.ok()) {
      StepDone(*work, Step::kSeal);
      seal_rest_.Sealed();
      sealed.push_back(work);
    } else if ((HasReason(outcome, Reason::STORE_IN_DOUBT) ||
                HasReason(outcome, Reason::STORE_UNAVAILABLE)) &&
               ++work->seal_tries < kMaxSealTries && !work->deadline.Passed()) {
      // Sealing the same attempt again is harmless, so doubt is resolved by asking again.
      work->seal = std::move(seals[i]);
      database_.Push(kSeal, std::move(batch[i]));
    } else {
      if (HasReason(outcome, Reason::STORE_UNAVAILABLE) ||
          HasReason(outcome, Reason::STORE_READ_ONLY)) {
        seal_rest_.Failed(Steady::now());
      }
      GiveUp(work, outcome);
    }
  }
  // Not here: the next seals need not wait until these answers are on their way.
  crypto_.PushAll(kAnswer, std::move(sealed));
}

void Pipeline::Impl::AnswerBatch(std::vector<WorkPtr> batch) {
  Together answered;
  for (const WorkPtr& work : batch) Succeed(work, std::move(work->sealed), false);
}

// ---- giving up, answering
// --------------------------------------------------------------------------------

void Pipeline::Impl::GiveUp(const WorkPtr& work, const absl::Status& why) {
  work->seal.reset();
  const auto refusal = RefusalOf(why);
  const std::string reason(ReasonName(refusal ? refusal->reason : Reason::INTERNAL));
  work->given_up = why;
  database_.Push(kVoid, {work, nullptr, db::Void{work->attempt_id, reason}});
}

void Pipeline::Impl::SettleDoubts(std::vector<Errand>& batch) {
  std::vector<db::TicketKey> keys;
  for (const Errand& errand : batch) {
    if (errand.doubt) keys.push_back(errand.doubt->key);
  }
  if (keys.empty()) return;
  const auto views = store_->FindTickets(keys);
  size_t at = 0;
  for (Errand& errand : batch) {
    if (!errand.doubt) continue;
    const auto& view = views[at++];
    const std::lock_guard lock(mutex_);
    const bool unsealed = view.ok() && (view->state == db::TicketView::State::kInFlight ||
                                        view->state == db::TicketView::State::kDead);
    if (view.ok() && !(unsealed && view->instance_id == options_.instance_id)) continue;
    // While the ticket is under way here, its owner may be the attempt's.
    if (!view.ok() || under_way_.contains(errand.doubt->name)) {
      doubts_.push_back(*std::move(errand.doubt));
    } else {
      errand.orphan = db::Void{view->attempt_id, "ABANDONED"};
    }
  }
  std::erase_if(batch, [](const Errand& errand) { return !errand.orphan; });
}

void Pipeline::Impl::VoidBatch(std::vector<Errand> batch) {
  SettleDoubts(batch);
  if (batch.empty()) return;
  std::vector<db::Void> voids;
  for (const Errand& errand : batch) voids.push_back(*errand.orphan);
  ASSAY_STRETCH("void");
  const auto outcomes = store_->VoidAttempts(voids);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!outcomes[i].ok()) {
      const std::lock_guard lock(mutex_);
      orphans_.push_back(voids[i]);
    }
    if (batch[i].work != nullptr) Refused(batch[i].work, batch[i].work->given_up);
  }
}

void Pipeline::Impl::RetryOrphans() {
  std::vector<db::Void> orphans;
  std::vector<Doubt> doubts;
  {
    const std::lock_guard lock(mutex_);
    orphans.swap(orphans_);
    doubts.swap(doubts_);
  }
  for (Doubt& doubt : doubts) database_.Push(kVoid, {nullptr, nullptr, {}, std::move(doubt)});
  for (db::Void& orphan : orphans) database_.Push(kVoid, {nullptr, nullptr, std::move(orphan)});
}

void Pipeline::Impl::StepDone(Work& work, Step step) {
  const auto now = Steady::now();
  observer_.StepEnded(step, now - work.step_started);
  ASSAY_TESTPOINT(std::string(StepName(step)));
  work.step_started = now;
}

// Those that joined, or nobody; from now on the ticket may be owned anew.
std::vector<WorkPtr> Pipeline::Impl::Disown(Work& work) {
  if (!work.owner) return {};
  work.owner = false;
  const std::lock_guard lock(mutex_);
  auto node = under_way_.extract(TicketName(work.request));
  return node.empty() ? std::vector<WorkPtr>{} : std::move(node.mapped().joined);
}

void Pipeline::Impl::End(const WorkPtr& work, absl::StatusOr<v1::IssueResponse> answer) {
  observer_.Finished(answer.status(), answer.ok() && answer->sealed_before(),
                     Steady::now() - work->started);
  const bool served = answer.ok();
  work->done(std::move(answer));
  ASSAY_TESTPOINT("answered");
  StopWork();
  Leave(work->caller.line, work->request.lot(), served);
}

void Pipeline::Impl::Leave(const std::string& line, const std::string& lot, bool served) {
  const std::lock_guard lock(mutex_);
  pace_.Note(gate_.in_flight(), served, Steady::now());
  gate_.Leave(line, lot);
  if (reserve_ != nullptr) reserve_->Ended();
  if (gate_.in_flight() == 0) idle_.notify_all();
}

// The place goes to the line whose turn it is.
void Pipeline::Impl::StopWork() {
  WorkPtr next;
  {
    const std::lock_guard lock(mutex_);
    if (outside_.empty()) {
      --active_;
      return;
    }
    next = outside_.Pop();
  }
  database_.Push(kTicket, {next, nullptr, std::nullopt});
}

void Pipeline::Impl::Succeed(const WorkPtr& work, store::v1::SealedIdentity sealed,
                             bool sealed_before) {
  const auto joined = Disown(*work);
  // The last who hears takes the images themselves, not a copy: mostly there is one.
  std::vector<v1::IssueResponse> copies;
  for (const WorkPtr& other : joined) copies.push_back(Answer(sealed, other->caller, true));
  End(work, Answer(std::move(sealed), work->caller, sealed_before));
  for (size_t i = 0; i < joined.size(); ++i) End(joined[i], std::move(copies[i]));
}

void Pipeline::Impl::Refused(const WorkPtr& work, const absl::Status& why) {
  // Whoever joined is heard in its own right: its deadline may be later, or the fault gone.
  for (const WorkPtr& other : Disown(*work))
    database_.Push(kTicket, {other, nullptr, std::nullopt});
  if (work->in_doubt) {
    const std::lock_guard lock(mutex_);
    doubts_.push_back({TicketName(work->request), {work->plan->lot.id, work->request.ticket()}});
  }
  End(work, why);
}

}  // namespace assay::issue
