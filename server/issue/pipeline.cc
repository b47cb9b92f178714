#include "server/issue/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "server/issue/build.h"
#include "server/issue/prove.h"
#include "server/issue/work.h"
#include "server/issue/work_queue.h"
#include "server/lot/act.h"

namespace assay::issue {
namespace {

using Steady = std::chrono::steady_clock;

// Verifiers made together: five devices' three blocks fill fifteen of sixteen lanes.
constexpr int kBuildBatch = 5;
// Looks at a ticket that other replicas are racing for, before the line is asked to come again.
constexpr int kMaxLooks = 8;
constexpr int kMaxSealTries = 5;

}  // namespace

std::string_view StepName(Step step) {
  switch (step) {
    case Step::kAdmit:
      return "admit";
    case Step::kTicket:
      return "ticket";
    case Step::kClaim:
      return "claim";
    case Step::kBuild:
      return "build";
    case Step::kIntent:
      return "intent";
    case Step::kSign:
      return "sign";
    case Step::kVerify:
      return "verify";
    case Step::kSeal:
      return "seal";
  }
  return "";
}

// Two sets of threads: one for the database, where a batch is one transaction, one for
// cryptography. A work is in one queue at a time. Kinds are listed so that what is nearly done goes
// first.
class Pipeline::Impl {
 public:
  Impl(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
       std::shared_ptr<hsm::SignerPool> signers, Random& random, const Clock& clock,
       Observer& observer, PipelineOptions options)
      : store_(std::move(store)),
        signers_(std::move(signers)),
        random_(random),
        clock_(clock),
        observer_(observer),
        options_(std::move(options)),
        plans_(store_, std::move(token), options_.wrapping_key),
        crypto_(options_.crypto_threads,
                {{1, [this](auto batch) { Finish(*batch.front()); }},
                 {1, [this](auto batch) { Verify(batch.front()); }},
                 {kBuildBatch, [this](auto batch) { BuildBatch(std::move(batch)); }}}),
        database_(options_.store_threads,
                  {{options_.max_batch, [this](auto batch) { SealBatch(std::move(batch)); }},
                   {options_.max_batch, [this](auto batch) { VoidBatch(std::move(batch)); }},
                   {options_.max_batch, [this](auto batch) { IntentBatch(std::move(batch)); }},
                   {options_.max_batch, [this](auto batch) { ConfirmBatch(std::move(batch)); }},
                   {options_.max_batch, [this](auto batch) { TicketBatch(std::move(batch)); }}}) {
    const auto certificate = matter::Certificate::Parse(options_.image_certificate);
    if (certificate.ok()) {
      auto key = matter::SignatureVerifier::Make(certificate->public_key());
      if (key.ok()) image_key_ = *std::move(key);
    }
  }

  ~Impl() {
    Drain();
    {
      std::unique_lock lock(mutex_);
      idle_.wait(lock, [this] { return in_flight_ == 0; });
    }
    crypto_.Stop();
    database_.Stop();
  }

  void Submit(const access::Caller& caller, v1::IssueRequest request, Deadline deadline, Done done,
              bool fetch_only);
  void Confirm(const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
               ConfirmDone done);
  void Drain() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  PipelineCounters Counters() const {
    const std::lock_guard lock(mutex_);
    return {in_flight_, crypto_.Waiting()};
  }

 private:
  enum CryptoKind : size_t { kFinish, kVerify, kBuild };
  enum DatabaseKind : size_t { kSeal, kVoid, kIntent, kConfirm, kTicket };

  // The one work of this process that issues a ticket, and those that came for the same one
  // meanwhile.
  struct Owned {
    Sha256Digest digest;
    std::string line;
    std::vector<WorkPtr> joined;
  };
  struct Confirming {
    access::Caller caller;
    v1::ConfirmRequest request;
    Deadline deadline;
    ConfirmDone done;
  };
  // One entry of the database queue: exactly one of the three is set.
  struct Errand {
    WorkPtr work;
    std::shared_ptr<Confirming> confirming;
    std::optional<db::Void> orphan;
  };

  static std::string TicketName(const v1::IssueRequest& request) {
    return absl::StrCat(request.lot(), "\n", request.ticket());
  }

  void TicketBatch(std::vector<Errand> batch);
  bool Admit(const WorkPtr& work);
  void TakeView(const WorkPtr& work, db::TicketView view, std::vector<db::Void>& voids,
                std::vector<WorkPtr>& again);
  bool IsOrphan(const Work& work, const db::TicketView& view);
  void OwnOrJoin(const WorkPtr& work);
  void BuildBatch(std::vector<WorkPtr> batch);
  void IntentBatch(std::vector<Errand> batch);
  void SignDac(const WorkPtr& work);
  void Verify(const WorkPtr& work);
  void SignImages(const WorkPtr& work);
  void Finish(Work& work);
  void SealBatch(std::vector<Errand> batch);
  void VoidBatch(std::vector<Errand> batch);
  void ConfirmBatch(std::vector<Errand> batch);

  // Ends an attempt that will not be sealed: its quota goes back before the line hears of the
  // refusal.
  void GiveUp(const WorkPtr& work, const absl::Status& why);
  void StepDone(Work& work, Step step);
  void Succeed(const WorkPtr& work, store::v1::SealedIdentity sealed, bool sealed_before);
  void Refused(const WorkPtr& work, const absl::Status& why);
  std::vector<WorkPtr> Disown(Work& work);
  void End(const WorkPtr& work, absl::StatusOr<v1::IssueResponse> answer);
  void Leave();
  void RetryOrphans();

  std::shared_ptr<db::Store> store_;
  std::shared_ptr<hsm::SignerPool> signers_;
  Random& random_;
  const Clock& clock_;
  Observer& observer_;
  const PipelineOptions options_;
  lot::PlanBook plans_;
  std::optional<matter::SignatureVerifier> image_key_;

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  bool draining_ = false;
  int in_flight_ = 0;
  // Tickets under way in this process: a retry joins, it does not race.
  std::map<std::string, Owned> under_way_;
  // Attempts whose voiding failed; tried again when the database answers.
  std::vector<db::Void> orphans_;

  WorkQueue<WorkPtr> crypto_;
  WorkQueue<Errand> database_;
};

// ---- step 1: admit
// --------------------------------------------------------------------------------------

void Pipeline::Impl::Submit(const access::Caller& caller, v1::IssueRequest request,
                            Deadline deadline, Done done, bool fetch_only) {
  absl::Status refusal = caller.CheckRole(access::Role::kLine);
  if (refusal.ok()) refusal = CheckForm(request);
  if (refusal.ok() && deadline.Left() < options_.least_deadline) {
    refusal = Refuse(Reason::DEADLINE_TOO_SHORT,
                     absl::StrCat("less than ", options_.least_deadline.count(),
                                  " ms are left before the deadline"));
  }
  if (refusal.ok()) {
    const std::lock_guard lock(mutex_);
    if (draining_) {
      refusal = Refuse(Reason::DRAINING, "this replica is shutting down; another one will answer");
    } else if (in_flight_ >= options_.max_in_flight) {
      refusal = Refuse(Reason::OVERLOADED, absl::StrCat(in_flight_, " tickets are under way"));
    } else {
      ++in_flight_;
    }
  }
  if (!refusal.ok()) {
    observer_.Finished(refusal, false, std::chrono::nanoseconds(0));
    done(refusal);
    return;
  }
  auto work = std::make_shared<Work>();
  work->caller = caller;
  work->request = std::move(request);
  work->deadline = deadline;
  work->fetch_only = fetch_only;
  work->done = std::move(done);
  database_.Push(kTicket, {work, nullptr, std::nullopt});
}

// The part that needs the lot: whether the caller may use it, and whether the request fits its
// product.
bool Pipeline::Impl::Admit(const WorkPtr& work) {
  if (work->deadline.Passed()) {
    Refused(work,
            Refuse(Reason::DEADLINE_TOO_SHORT, "the deadline passed while the ticket waited"));
    return false;
  }
  auto plan = plans_.Find(work->request.lot());
  absl::Status refusal = plan.status();
  if (plan.ok()) {
    refusal = work->caller.CheckLot((*plan)->lot.factory, (*plan)->lot.name);
    if (refusal.ok() && !work->fetch_only) {
      refusal = CheckAgainstPlan(work->request, **plan, options_.production);
    }
  } else if (HasReason(refusal, Reason::LOT_UNKNOWN)) {
    // A line that is granted only certain lots or factories learns nothing of others.
    const absl::Status granted = work->caller.CheckLot("", work->request.lot());
    if (!granted.ok()) refusal = granted;
  }
  if (!refusal.ok()) {
    Refused(work, refusal);
    return false;
  }
  work->plan = *std::move(plan);
  std::string content = lot::Deterministic(work->request);
  work->digest = lot::KeyedDigest(*work->plan->key, AsBytes(content));
  WipeText(content);
  StepDone(*work, Step::kAdmit);
  return true;
}

// ---- step 2: ticket
// -------------------------------------------------------------------------------------

void Pipeline::Impl::TicketBatch(std::vector<Errand> batch) {
  std::vector<WorkPtr> works;
  std::vector<db::TicketKey> keys;
  for (Errand& errand : batch) {
    const WorkPtr& work = errand.work;
    if (work->plan == nullptr && !Admit(work)) continue;
    keys.push_back({work->plan->lot.id, work->request.ticket()});
    works.push_back(work);
  }
  if (works.empty()) return;
  auto views = store_->FindTickets(keys);
  std::vector<db::Void> voids;
  std::vector<WorkPtr> again;
  for (size_t i = 0; i < works.size(); ++i) {
    if (!views[i].ok()) {
      Refused(works[i], views[i].status());
      continue;
    }
    TakeView(works[i], *std::move(views[i]), voids, again);
  }
  if (!voids.empty()) {
    store_->VoidAttempts(voids);
    for (const WorkPtr& work : again) database_.Push(kTicket, {work, nullptr, std::nullopt});
  }
  RetryOrphans();
}

void Pipeline::Impl::TakeView(const WorkPtr& work, db::TicketView view,
                              std::vector<db::Void>& voids, std::vector<WorkPtr>& again) {
  using State = db::TicketView::State;
  StepDone(*work, Step::kTicket);
  if (view.state != State::kNew) {
    if (view.line != work->caller.line) {
      return Refused(work, RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket",
                                       work->request.ticket(), "was used by another line"));
    }
    if (!work->fetch_only && view.request_digest != work->digest) {
      return Refused(work, RefuseField(Reason::TICKET_CONFLICT, "ticket", work->request.ticket(),
                                       "was used before with other content"));
    }
  }
  switch (view.state) {
    case State::kNew:
      if (work->fetch_only) {
        return Refused(work, RefuseField(Reason::TICKET_UNKNOWN, "ticket", work->request.ticket(),
                                         "has no sealed identity in this lot"));
      }
      break;
    case State::kSealed: {
      auto sealed = OpenSealed(view, *work->plan);
      if (!sealed.ok()) return Refused(work, sealed.status());
      return Succeed(work, *std::move(sealed), true);
    }
    case State::kWiped:
      return Refused(work, Refuse(Reason::IDENTITY_WIPED,
                                  absl::StrCat("ticket ", work->request.ticket(), " is device ",
                                               view.device_id, "; its image (SHA-256 ",
                                               ToHex(view.image_sha256),
                                               ") was wiped after its confirmation or retention")));
    case State::kInFlight:
    case State::kDead:
      if (IsOrphan(*work, view)) {
        if (work->looks++ >= kMaxLooks) {
          work->attempt_id = view.attempt_id;
          return GiveUp(work, Refuse(Reason::TICKET_IN_FLIGHT,
                                     "the ticket's attempts keep being lost; ask again"));
        }
        voids.push_back(
            {view.attempt_id, view.state == State::kDead ? "DEAD_INSTANCE" : "ABANDONED"});
        again.push_back(work);
        return;
      }
      if (work->fetch_only || view.instance_id != options_.instance_id) {
        return Refused(work, RefuseField(Reason::TICKET_IN_FLIGHT, "ticket", work->request.ticket(),
                                         "is being issued right now; ask again"));
      }
      break;
  }
  OwnOrJoin(work);
}

// An attempt that nobody works on any more: of a process whose lease ended, or of this one and
// without an owner here. A look never voids for a caller that only fetches.
bool Pipeline::Impl::IsOrphan(const Work& work, const db::TicketView& view) {
  if (work.fetch_only) return false;
  if (view.state == db::TicketView::State::kDead) return true;
  if (view.instance_id != options_.instance_id) return false;
  const std::lock_guard lock(mutex_);
  return work.owner || !under_way_.contains(TicketName(work.request));
}

void Pipeline::Impl::OwnOrJoin(const WorkPtr& work) {
  absl::Status refusal;
  if (!work->owner) {
    const std::lock_guard lock(mutex_);
    const auto [entry, created] = under_way_.try_emplace(
        TicketName(work->request), Owned{work->digest, work->caller.line, {}});
    Owned& owned = entry->second;
    if (created) {
      work->owner = true;
    } else if (owned.line != work->caller.line) {
      refusal = RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket", work->request.ticket(),
                            "is being used by another line");
    } else if (owned.digest != work->digest) {
      refusal = RefuseField(Reason::TICKET_CONFLICT, "ticket", work->request.ticket(),
                            "is being used with other content");
    } else {
      owned.joined.push_back(work);
      return;
    }
  }
  if (!refusal.ok()) return Refused(work, refusal);
  crypto_.Push(kBuild, work);
}

// ---- steps 3 and 4: claim and build
// ----------------------------------------------------------------------

void Pipeline::Impl::BuildBatch(std::vector<WorkPtr> batch) {
  std::vector<WorkPtr> live;
  for (WorkPtr& work : batch) {
    if (work->deadline.Passed()) {
      Refused(work,
              Refuse(Reason::DEADLINE_TOO_SHORT, "the deadline passed while the ticket waited"));
    } else {
      work->step_started = Steady::now();
      live.push_back(std::move(work));
    }
  }
  std::vector<WorkPtr> claimed;
  for (const WorkPtr& work : live) {
    if (const absl::Status claim = Claim(*work, random_, options_.production); !claim.ok()) {
      Refused(work, claim);
    } else {
      StepDone(*work, Step::kClaim);
      claimed.push_back(work);
    }
  }
  const auto outcomes = Build(claimed, random_, clock_);
  for (size_t i = 0; i < claimed.size(); ++i) {
    if (!outcomes[i].ok()) {
      Refused(claimed[i], outcomes[i]);
      continue;
    }
    StepDone(*claimed[i], Step::kBuild);
    database_.Push(kIntent, {claimed[i], nullptr, std::nullopt});
  }
}

// ---- step 5: intent
// --------------------------------------------------------------------------------------

void Pipeline::Impl::IntentBatch(std::vector<Errand> batch) {
  std::vector<db::Intent> intents;
  for (const Errand& errand : batch) {
    const Work& work = *errand.work;
    db::Intent intent;
    intent.lot_id = work.plan->lot.id;
    intent.ticket = work.request.ticket();
    intent.line = work.caller.line;
    intent.actor = work.caller.uri;
    intent.request_digest = work.digest;
    intent.device_id = work.device_id;
    intent.serial_number = work.serial_number;
    intent.dac_serial = work.dac_serial;
    if (!work.public_key.empty()) intent.public_key_sha256 = Sha256(work.public_key);
    if (!work.tbs.empty()) intent.tbs_sha256 = Sha256(work.tbs);
    intent.pai = work.pai_name;
    intents.push_back(std::move(intent));
  }
  const auto outcomes = store_->RecordIntents(intents, options_.instance_id);
  for (size_t i = 0; i < batch.size(); ++i) {
    const WorkPtr& work = batch[i].work;
    if (outcomes[i].ok()) {
      work->attempt_id = *outcomes[i];
      StepDone(*work, Step::kIntent);
      SignDac(work);
    } else if ((HasReason(outcomes[i].status(), Reason::TICKET_IN_FLIGHT) ||
                HasReason(outcomes[i].status(), Reason::STORE_IN_DOUBT)) &&
               work->looks++ < kMaxLooks) {
      // Another replica was first, or nobody knows: the ticket itself tells.
      database_.Push(kTicket, {work, nullptr, std::nullopt});
    } else {
      Refused(work, outcomes[i].status());
    }
  }
}

// ---- step 6: sign
// ----------------------------------------------------------------------------------------

void Pipeline::Impl::SignDac(const WorkPtr& work) {
  if (work->tbs.empty()) {
    crypto_.Push(kVerify, work);
    return;
  }
  signers_->Sign(work->plan->pai->key_label, Sha256(work->tbs), work->deadline,
                 [this, work](absl::StatusOr<hsm::RawSignature> signature) {
                   if (!signature.ok()) return GiveUp(work, signature.status());
                   work->dac_signature = *signature;
                   StepDone(*work, Step::kSign);
                   crypto_.Push(kVerify, work);
                 });
}

// ---- step 7: verify
// --------------------------------------------------------------------------------------

void Pipeline::Impl::Verify(const WorkPtr& work) {
  work->step_started = Steady::now();
  const absl::Status proved = ProveDacAndImages(*work, random_);
  if (!proved.ok()) return GiveUp(work, proved);
  SignImages(work);
}

void Pipeline::Impl::SignImages(const WorkPtr& work) {
  const size_t count = work->images.size();
  if (!image_key_)
    return GiveUp(work, Refuse(Reason::HSM_KEY_MISSING, "the image certificate cannot be read"));
  if (count == 0) {
    crypto_.Push(kFinish, work);
    return;
  }
  work->image_signatures.assign(count, absl::UnknownError("not signed"));
  work->signatures_due = static_cast<int>(count);
  for (size_t i = 0; i < count; ++i) {
    signers_->Sign(options_.image_key, Sha256(work->images[i].bytes.view()), work->deadline,
                   [this, work, i](absl::StatusOr<hsm::RawSignature> signature) {
                     work->image_signatures[i] = std::move(signature);
                     if (--work->signatures_due == 0) crypto_.Push(kFinish, work);
                   });
  }
}

void Pipeline::Impl::Finish(Work& work) {
  const WorkPtr self = work.shared_from_this();
  const absl::Status proved = ProveImageSignatures(work, *image_key_, options_.image_certificate);
  if (!proved.ok()) return GiveUp(self, proved);
  work.seal = MakeSeal(work, random_, clock_);
  StepDone(work, Step::kVerify);
  database_.Push(kSeal, {self, nullptr, std::nullopt});
}

// ---- step 8: seal
// ----------------------------------------------------------------------------------------

void Pipeline::Impl::SealBatch(std::vector<Errand> batch) {
  std::vector<db::Seal> seals;
  for (const Errand& errand : batch) seals.push_back(*errand.work->seal);
  const auto outcomes = store_->SealTickets(seals);
  for (size_t i = 0; i < batch.size(); ++i) {
    const WorkPtr& work = batch[i].work;
    const absl::Status& outcome = outcomes[i];
    if (outcome.ok()) {
      StepDone(*work, Step::kSeal);
      Succeed(work, std::move(work->sealed), false);
    } else if ((HasReason(outcome, Reason::STORE_IN_DOUBT) ||
                HasReason(outcome, Reason::STORE_UNAVAILABLE)) &&
               ++work->seal_tries < kMaxSealTries && !work->deadline.Passed()) {
      // Sealing the same attempt again is harmless, so doubt is resolved by asking again.
      database_.Push(kSeal, std::move(batch[i]));
    } else {
      GiveUp(work, outcome);
    }
  }
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

void Pipeline::Impl::VoidBatch(std::vector<Errand> batch) {
  std::vector<db::Void> voids;
  for (const Errand& errand : batch) voids.push_back(*errand.orphan);
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
  {
    const std::lock_guard lock(mutex_);
    orphans.swap(orphans_);
  }
  for (db::Void& orphan : orphans) database_.Push(kVoid, {nullptr, nullptr, std::move(orphan)});
}

void Pipeline::Impl::StepDone(Work& work, Step step) {
  const auto now = Steady::now();
  observer_.StepEnded(step, now - work.step_started);
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
  work->done(std::move(answer));
  Leave();
}

void Pipeline::Impl::Leave() {
  const std::lock_guard lock(mutex_);
  if (--in_flight_ == 0) idle_.notify_all();
}

void Pipeline::Impl::Succeed(const WorkPtr& work, store::v1::SealedIdentity sealed,
                             bool sealed_before) {
  const auto joined = Disown(*work);
  End(work, Answer(sealed, work->caller, sealed_before));
  for (const WorkPtr& other : joined) End(other, Answer(sealed, other->caller, true));
}

void Pipeline::Impl::Refused(const WorkPtr& work, const absl::Status& why) {
  // Whoever joined is heard in its own right: its deadline may be later, or the fault gone.
  for (const WorkPtr& other : Disown(*work))
    database_.Push(kTicket, {other, nullptr, std::nullopt});
  End(work, why);
}

// ---- confirmations
// ---------------------------------------------------------------------------------------

void Pipeline::Impl::Confirm(const access::Caller& caller, v1::ConfirmRequest request,
                             Deadline deadline, ConfirmDone done) {
  absl::Status refusal = caller.CheckRole(access::Role::kLine);
  if (refusal.ok()) refusal = CheckTicketForm(request.ticket());
  if (refusal.ok() && request.outcome() != v1::OUTCOME_PROVISIONED &&
      request.outcome() != v1::OUTCOME_SCRAPPED) {
    refusal = RefuseField(Reason::FIELD_OUT_OF_RANGE, "outcome",
                          absl::StrCat(static_cast<int>(request.outcome())),
                          "must be PROVISIONED or SCRAPPED");
  }
  if (refusal.ok()) {
    const std::lock_guard lock(mutex_);
    if (draining_) {
      refusal = Refuse(Reason::DRAINING, "this replica is shutting down; another one will answer");
    } else if (in_flight_ >= options_.max_in_flight) {
      refusal = Refuse(Reason::OVERLOADED, absl::StrCat(in_flight_, " tickets are under way"));
    } else {
      ++in_flight_;
    }
  }
  if (!refusal.ok()) {
    done(refusal);
    return;
  }
  auto confirming = std::make_shared<Confirming>(
      Confirming{caller, std::move(request), deadline, std::move(done)});
  database_.Push(kConfirm, {nullptr, std::move(confirming), std::nullopt});
}

void Pipeline::Impl::ConfirmBatch(std::vector<Errand> batch) {
  std::vector<db::Confirmation> confirmations;
  std::vector<std::shared_ptr<Confirming>> live;
  for (const Errand& errand : batch) {
    const auto& confirming = errand.confirming;
    const auto plan = plans_.Find(confirming->request.lot());
    absl::Status refusal = plan.status();
    if (plan.ok()) refusal = confirming->caller.CheckLot((*plan)->lot.factory, (*plan)->lot.name);
    if (!refusal.ok()) {
      confirming->done(refusal);
      Leave();
      continue;
    }
    db::Confirmation confirmation;
    confirmation.lot_id = (*plan)->lot.id;
    confirmation.ticket = confirming->request.ticket();
    confirmation.line = confirming->caller.line;
    confirmation.actor = confirming->caller.uri;
    confirmation.outcome = confirming->request.outcome() == v1::OUTCOME_SCRAPPED
                               ? db::DeviceState::kScrapped
                               : db::DeviceState::kProvisioned;
    confirmations.push_back(std::move(confirmation));
    live.push_back(confirming);
  }
  if (live.empty()) return;
  const auto outcomes = store_->ConfirmDevices(confirmations);
  for (size_t i = 0; i < live.size(); ++i) {
    if (outcomes[i].ok()) {
      v1::ConfirmResponse response;
      response.set_device_id(outcomes[i]->device_id);
      response.set_confirmed_before(outcomes[i]->before);
      live[i]->done(std::move(response));
    } else {
      live[i]->done(outcomes[i].status());
    }
    Leave();
  }
}

// ---- the door
// --------------------------------------------------------------------------------------------

Pipeline::Pipeline(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                   std::shared_ptr<hsm::SignerPool> signers, Random& random, const Clock& clock,
                   Observer& observer, PipelineOptions options)
    : impl_(std::make_shared<Impl>(std::move(store), std::move(token), std::move(signers), random,
                                   clock, observer, std::move(options))) {}

Pipeline::~Pipeline() = default;

void Pipeline::Submit(const access::Caller& caller, v1::IssueRequest request, Deadline deadline,
                      Done done) {
  impl_->Submit(caller, std::move(request), deadline, std::move(done), false);
}

void Pipeline::Fetch(const access::Caller& caller, v1::GetSealedRequest request, Deadline deadline,
                     Done done) {
  v1::IssueRequest wanted;
  wanted.set_lot(request.lot());
  wanted.set_ticket(request.ticket());
  impl_->Submit(caller, std::move(wanted), deadline, std::move(done), true);
}

void Pipeline::Confirm(const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
                       ConfirmDone done) {
  impl_->Confirm(caller, std::move(request), deadline, std::move(done));
}

void Pipeline::Drain() { impl_->Drain(); }
PipelineCounters Pipeline::Counters() const { return impl_->Counters(); }

}  // namespace assay::issue
