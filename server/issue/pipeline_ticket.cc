#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "base/testpoint.h"
#include "server/issue/build.h"
#include "server/issue/lot_pattern.h"
#include "server/issue/pipeline_impl.h"
#include "server/issue/prove.h"
#include "server/lot/act.h"

namespace assay::issue {
namespace {

Sha256Digest DigestOf(const v1::IssueRequest& request, const SecretBytes& key) {
  std::string content = lot::Deterministic(request);
  const Sha256Digest digest = lot::KeyedDigest(key, AsBytes(content));
  WipeText(content);
  return digest;
}

// Empty values say what absent ones do. What is recorded is the digest of the request as it was
// sent, which older releases beside this one know; so both forms are tried. In the request itself:
// a copy would have its secrets.
bool HasContentOf(const Sha256Digest& digest, Work& work) {
  if (digest == work.digest) return true;
  v1::IssueRequest& request = work.request;
  if (request.values().ByteSizeLong() != 0) return false;
  const bool had = request.has_values();
  had ? request.clear_values() : static_cast<void>(request.mutable_values());
  const bool same = digest == DigestOf(request, *work.plan->key);
  had ? static_cast<void>(request.mutable_values()) : request.clear_values();
  return same;
}

absl::string_view WhyWiped(int state) {
  switch (static_cast<db::DeviceState>(state)) {
    case db::DeviceState::kProvisioned:
      return "was wiped when the unit was confirmed";
    case db::DeviceState::kScrapped:
      return "was wiped: the unit was scrapped";
    case db::DeviceState::kRevoked:
      return "was wiped: the unit was revoked";
    default:
      return "is not kept any more: the lot's retention has ended, or the unit was entered again "
             "after a restore";
  }
}

// Of a ticket that completes a module the store tells the module's device: its own row is a stage.
absl::Status Wiped(db::Store& store, const Work& work, const db::TicketView& view) {
  absl::string_view why = "is not kept any more";
  if (const auto device = store.FindDevice(view.device_id); device.ok()) {
    const auto is_ours = [&work](const db::ManifestRow& row) {
      return row.ticket == work.request.ticket() && row.lot == work.request.lot();
    };
    const auto stage = std::find_if(device->stages.begin(), device->stages.end(), is_ours);
    why = WhyWiped(stage != device->stages.end() ? stage->state : device->state);
  }
  return RefuseField(Reason::IDENTITY_WIPED, "ticket", work.request.ticket(),
                     absl::StrCat("is device ", view.device_id, "; its image (SHA-256 ",
                                  ToHex(view.image_sha256), ") ", why));
}

}  // namespace

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
  // A fetch is no new ticket: it takes nothing from the line's rate.
  if (refusal.ok()) refusal = Enter(caller.line, request.lot(), !fetch_only, deadline);
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
  StartWork(work);
}

absl::Status Pipeline::Impl::Enter(const std::string& line, const std::string& lot, bool metered,
                                   Deadline deadline) {
  const std::lock_guard lock(mutex_);
  if (draining_) {
    return Refuse(Reason::DRAINING, "this replica is shutting down; another one will answer");
  }
  // Better no answer now than one that comes too late: work that nobody waits for is work that
  // others wait for.
  if (metered) {
    const auto wait = pace_.WaitBehind(gate_.in_flight(), std::chrono::steady_clock::now());
    if (wait > deadline.Left()) {
      return Refuse(Reason::OVERLOADED,
                    absl::StrCat(gate_.in_flight(), " tickets are under way: about ", wait.count(),
                                 " ms of work, more than the deadline leaves"));
    }
  }
  ASSAY_RETURN_IF_ERROR(gate_.Enter(line, lot, metered, clock_.Now()));
  if (reserve_ != nullptr) reserve_->Began();
  return absl::OkStatus();
}

void Pipeline::Impl::StartWork(const WorkPtr& work) {
  {
    const std::lock_guard lock(mutex_);
    if (active_ >= options_.max_active) return outside_.Push(work->caller.line, work);
    ++active_;
  }
  database_.Push(kTicket, {work, nullptr, std::nullopt});
}

// A line that is granted only certain lots or factories learns nothing of others.
absl::StatusOr<std::shared_ptr<const lot::LotPlan>> Pipeline::Impl::FindGranted(
    const access::Caller& caller, const std::string& lot, lot::BatchPlans& plans) {
  auto plan = plans.Find(lot);
  absl::Status granted;
  if (plan.ok()) {
    granted = caller.CheckLot((*plan)->lot.factory, (*plan)->lot.name);
  } else if (HasReason(plan.status(), Reason::LOT_UNKNOWN)) {
    granted = caller.CheckLot("", lot);
  }
  if (!granted.ok()) return granted;
  return plan;
}

// The part that needs the lot: whether the caller may use it, and whether the request fits its
// product.
bool Pipeline::Impl::Admit(const WorkPtr& work, lot::BatchPlans& plans) {
  if (RefuseIfLate(work)) return false;
  auto plan = FindGranted(work->caller, work->request.lot(), plans);
  absl::Status refusal = plan.status();
  if (refusal.ok() && !work->fetch_only) {
    refusal = CheckAgainstPlan(work->request, **plan, options_.production);
  }
  if (!refusal.ok()) {
    Refused(work, refusal);
    return false;
  }
  work->plan = *std::move(plan);
  work->digest = DigestOf(work->request, *work->plan->key);
  StepDone(*work, Step::kAdmit);
  return true;
}

// ---- step 2: ticket
// -------------------------------------------------------------------------------------

void Pipeline::Impl::TicketBatch(std::vector<Errand> batch) {
  std::vector<WorkPtr> works;
  std::vector<db::TicketKey> keys;
  lot::BatchPlans plans(plans_, lot::PlanFor::kIssuing);
  for (Errand& errand : batch) {
    const WorkPtr& work = errand.work;
    if (work->plan == nullptr && !Admit(work, plans)) continue;
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
    ASSAY_STRETCH("void");
    const auto outcomes = store_->VoidAttempts(voids);
    {
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < voids.size(); ++i) {
        // The look that follows may fail too, and nobody may ask here again.
        if (!outcomes[i].ok()) orphans_.push_back(voids[i]);
      }
    }
    for (const WorkPtr& work : again) database_.Push(kTicket, {work, nullptr, std::nullopt});
  }
  RetryOrphans();
}

void Pipeline::Impl::TakeView(const WorkPtr& work, db::TicketView view,
                              std::vector<db::Void>& voids, std::vector<WorkPtr>& again) {
  using State = db::TicketView::State;
  StepDone(*work, Step::kTicket);
  work->in_doubt = false;
  if (view.state != State::kNew) {
    if (view.line != work->caller.line) {
      return Refused(work, RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket",
                                       work->request.ticket(), "was used by another line"));
    }
    // Nothing to compare with where the attempt was entered again after a restore.
    const bool known = view.request_digest != Sha256Digest{};
    if (!work->fetch_only && known && !HasContentOf(view.request_digest, *work)) {
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
      auto sealed = OpenSealed(view, work->plan->lot.id, *work->plan->key, dictionaries_);
      if (!sealed.ok()) return Refused(work, sealed.status());
      return Succeed(work, *std::move(sealed), true);
    }
    case State::kWiped:
      return Refused(work, Wiped(*store_, *work, view));
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
    } else if (!HasContentOf(owned.digest, *work)) {
      refusal = RefuseField(Reason::TICKET_CONFLICT, "ticket", work->request.ticket(),
                            "is being used with other content");
    } else {
      owned.joined.push_back(work);
      return;
    }
  }
  if (refusal.ok()) refusal = work->plan->may_issue;
  if (refusal.ok()) refusal = FindModule(*work);
  if (!refusal.ok()) return Refused(work, refusal);
  if (options_.compact_identities && image_key_) TakeDictionary(*work);
  crypto_.Push(kBuild, work);
}

// Here and not when it is sealed, because this thread may ask the store.
void Pipeline::Impl::TakeDictionary(Work& work) {
  // Nobody knows what the database took, or which one answers now: it may have lost the dictionary.
  if (work.looks > 0) dictionaries_.AskAnew(work.plan->lot.id);
  const auto make = [&] { return LotPattern(work.plan, *image_key_, options_.delegate_images); };
  work.dictionary = dictionaries_.ForWriting(work.plan, make, random_);
}

}  // namespace assay::issue
