// The pipeline's inside, one class over several files: a file a stretch of the eight steps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/issue/fair_gate.h"
#include "server/issue/image_delegate.h"
#include "server/issue/lanes.h"
#include "server/issue/lot_dictionaries.h"
#include "server/issue/pace.h"
#include "server/issue/pipeline.h"
#include "server/issue/prove.h"
#include "server/issue/reserve.h"
#include "server/issue/seal_rest.h"
#include "server/issue/work.h"
#include "server/issue/work_queue.h"
#include "server/lot/plan.h"

namespace assay::issue {

// Looks at a ticket that other replicas are racing for, before the line is asked to come again.
inline constexpr int kMaxLooks = 8;

// Three sets of threads: one for the database, where a batch is one transaction, one for
// cryptography, and one for PBKDF2, so that what is short does not wait behind it. A work is in one
// queue at a time. Kinds are listed so that what is nearly done goes first.
class Pipeline::Impl {
 public:
  Impl(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
       std::shared_ptr<hsm::Signer> signers, Random& random, const Clock& clock, Observer& observer,
       PipelineOptions options);
  ~Impl();

  void Submit(const access::Caller& caller, v1::IssueRequest request, Deadline deadline, Done done,
              bool fetch_only);
  void Confirm(const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
               ConfirmDone done);
  void Drain() {
    if (reserve_ != nullptr) reserve_->StopFilling();
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  void VoidOrphans() { RetryOrphans(); }
  PipelineCounters Counters() const {
    // Before the lock: whoever fills the reserve has the lowest priority and a lock of its own.
    const ReserveCounters reserve = reserve_ != nullptr ? reserve_->Counters() : ReserveCounters();
    const int queued = crypto_.Waiting() + verifiers_.Waiting();
    const std::lock_guard lock(mutex_);
    return {gate_.in_flight(), queued, reserve};
  }
  bool RunBatch(Queue queue) {
    if (queue == Queue::kReserve) return reserve_ != nullptr && reserve_->FillStep();
    if (queue == Queue::kDatabase) return database_.RunOne();
    return crypto_.RunOne() || verifiers_.RunOne();
  }
  void SetLimits(FairLimits limits) {
    const std::lock_guard lock(mutex_);
    gate_.SetLimits(limits);
  }

 private:
  enum CryptoKind : size_t { kAnswer, kFinish, kVerify, kBuild };
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
  // A ticket whose intent may stand though its work has ended.
  struct Doubt {
    std::string name;  // as TicketName says
    db::TicketKey key;
  };
  // One entry of the database queue: exactly one of these is set, but for a work whose attempt is
  // to be voided.
  struct Errand {
    WorkPtr work;
    std::shared_ptr<Confirming> confirming;
    std::optional<db::Void> orphan;
    std::optional<Doubt> doubt{};
  };

  static std::string TicketName(const v1::IssueRequest& request) {
    return absl::StrCat(request.lot(), "\n", request.ticket());
  }

  // A kind of batch for the database, and until when it gathers.
  WorkQueue<Errand>::Kind Gathered(void (Impl::*run)(std::vector<Errand>));
  std::chrono::steady_clock::time_point GatherUntil(const Errand& first, size_t waiting) const;
  // The same for signatures to be checked.
  std::chrono::steady_clock::time_point CheckUntil(const Work& first) const;
  void TicketBatch(std::vector<Errand> batch);
  static absl::StatusOr<std::shared_ptr<const lot::LotPlan>> FindGranted(
      const access::Caller& caller, const std::string& lot, lot::BatchPlans& plans);
  bool Admit(const WorkPtr& work, lot::BatchPlans& plans);
  void TakeView(const WorkPtr& work, db::TicketView view, std::vector<db::Void>& voids,
                std::vector<WorkPtr>& again);
  bool IsOrphan(const Work& work, const db::TicketView& view);
  void OwnOrJoin(const WorkPtr& work);
  void TakeDictionary(Work& work);
  absl::Status FindModule(Work& work);
  void BuildBatch(std::vector<WorkPtr> batch);
  class Verifiers;
  void MakeVerifiers(std::vector<WorkPtr> batch);
  bool RefuseIfLate(const WorkPtr& work);
  void RecordIntents(const std::vector<WorkPtr>& works);
  void IntentBatch(std::vector<Errand> batch);
  void SignDac(const WorkPtr& work);
  void VerifyBatch(const std::vector<WorkPtr>& batch);
  void SignImages(const WorkPtr& work);
  void SignImagesAs(const WorkPtr& work, std::shared_ptr<const ImageDelegate> delegate);
  void FinishBatch(const std::vector<WorkPtr>& batch);
  void SealBatch(std::vector<Errand> batch);
  void AnswerBatch(std::vector<WorkPtr> batch);
  void VoidBatch(std::vector<Errand> batch);
  // Those in doubt whose intent stands become orphans; the others leave the batch.
  void SettleDoubts(std::vector<Errand>& batch);
  void ConfirmBatch(std::vector<Errand> batch);

  // Ends an attempt that will not be sealed: its quota goes back before the line hears of the
  // refusal.
  void GiveUp(const WorkPtr& work, const absl::Status& why);
  void StepDone(Work& work, Step step);
  void Succeed(const WorkPtr& work, store::v1::SealedIdentity sealed, bool sealed_before);
  void Refused(const WorkPtr& work, const absl::Status& why);
  std::vector<WorkPtr> Disown(Work& work);
  void End(const WorkPtr& work, absl::StatusOr<v1::IssueResponse> answer);
  // DRAINING, or what the gate says. Counts the call in when OK; Leave follows then.
  absl::Status Enter(const std::string& line, const std::string& lot, bool metered,
                     Deadline deadline);
  void Leave(const std::string& line, const std::string& lot, bool served = false);
  // A ticket's work begins now or when a place is free and its line's turn has come; StopWork frees
  // the place.
  void StartWork(const WorkPtr& work);
  void StopWork();
  void RetryOrphans();

  std::shared_ptr<db::Store> store_;
  std::shared_ptr<hsm::Signer> signers_;
  Random& random_;
  const Clock& clock_;
  Observer& observer_;
  const PipelineOptions options_;
  lot::PlanBook plans_;
  LotDictionaries dictionaries_{store_};
  std::optional<ImageKey> image_key_;
  std::unique_ptr<ImageDelegation> delegation_;  // where images are signed by a delegate
  std::unique_ptr<Reserve> reserve_;             // where one is kept

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  bool draining_ = false;
  FairGate gate_;
  std::atomic<int> active_ = 0;  // changed under the mutex
  Pace pace_;
  SealRest seal_rest_{options_.seal_rest};
  Lanes<WorkPtr> outside_;  // entered, and not worked on yet
  // Tickets under way in this process: a retry joins, it does not race.
  std::map<std::string, Owned> under_way_;
  // Attempts whose voiding failed; tried again when the database answers.
  std::vector<db::Void> orphans_;
  // Tickets that were refused while the commit of their intent was in doubt; looked at again then.
  std::vector<Doubt> doubts_;

  WorkQueue<WorkPtr> crypto_;
  WorkQueue<WorkPtr> verifiers_;
  WorkQueue<Errand> database_;
};

}  // namespace assay::issue
