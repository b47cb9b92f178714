#include <openssl/crypto.h>

#include <list>

#include "base/refusal.h"
#include "base/testpoint.h"
#include "matter/spake2p.h"
#include "server/issue/build.h"
#include "server/issue/extra_values.h"
#include "server/issue/pipeline_impl.h"
#include "server/issue/prove.h"
#include "server/issue/unit_values.h"

namespace assay::issue {
namespace {

using Steady = std::chrono::steady_clock;

}  // namespace

// ---- steps 3 and 4: claim and build
// ----------------------------------------------------------------------

bool Pipeline::Impl::RefuseIfLate(const WorkPtr& work) {
  if (!work->deadline.Passed()) return false;
  Refused(work, Refuse(Reason::DEADLINE_TOO_SHORT, "the deadline passed while the ticket waited"));
  return true;
}

void Pipeline::Impl::BuildBatch(std::vector<WorkPtr> batch) {
  std::vector<WorkPtr> built, without_verifier;
  for (const WorkPtr& work : batch) {
    if (RefuseIfLate(work)) continue;
    work->step_started = Steady::now();
    absl::Status refusal = Claim(*work, random_, clock_, options_.production, reserve_.get());
    if (refusal.ok()) {
      StepDone(*work, Step::kClaim);
      // The cheap parts go first: a bad CSR must not cost a key derivation.
      refusal = Build(*work, random_, clock_, reserve_.get());
    }
    if (!refusal.ok()) {
      Refused(work, refusal);
    } else {
      (NeedsVerifier(*work) ? without_verifier : built).push_back(work);
    }
  }
  RecordIntents(built);
  verifiers_.PushAll(0, std::move(without_verifier));
}

void Pipeline::Impl::RecordIntents(const std::vector<WorkPtr>& works) {
  std::vector<Errand> errands;
  for (const WorkPtr& work : works) {
    StepDone(*work, Step::kBuild);
    errands.push_back({work, nullptr, std::nullopt});
  }
  database_.PushAll(kIntent, std::move(errands));
}

// The tickets that wait for a verifier, taken as lanes come free.
class Pipeline::Impl::Verifiers final : public matter::VerifierFeed {
 public:
  Verifiers(Impl& pipeline, std::vector<WorkPtr> batch)
      : pipeline_(pipeline), batch_(std::move(batch)) {}
  ~Verifiers() override { PassOn(); }

  matter::VerifierJob* Next() override {
    while (const WorkPtr work = TakeWork()) {
      if (pipeline_.RefuseIfLate(work)) continue;
      return &under_way_.emplace_back(UnderWay{work, VerifierJobOf(*work)}).job;
    }
    return nullptr;
  }

  void Ended(matter::VerifierJob& job) override {
    const auto one = std::find_if(under_way_.begin(), under_way_.end(),
                                  [&](const UnderWay& other) { return &other.job == &job; });
    const WorkPtr work = std::move(one->work);
    const absl::Status taken = TakeVerifier(*work, job);
    OPENSSL_cleanse(&job.passcode, sizeof job.passcode);
    under_way_.erase(one);
    if (taken.ok()) {
      ended_.push_back(work);
    } else {
      pipeline_.Refused(work, taken);
    }
  }

  void StepEnded() override { PassOn(); }

 private:
  struct UnderWay {
    WorkPtr work;
    matter::VerifierJob job;
  };

  WorkPtr TakeWork() {
    if (batch_.empty()) return pipeline_.verifiers_.Take(0).value_or(nullptr);
    WorkPtr work = std::move(batch_.back());
    batch_.pop_back();
    return work;
  }
  // Those that ended in the same step: their intents are one batch.
  void PassOn() {
    if (!ended_.empty()) pipeline_.RecordIntents(std::exchange(ended_, {}));
  }

  Impl& pipeline_;
  std::vector<WorkPtr> batch_, ended_;
  std::list<UnderWay> under_way_;
};

void Pipeline::Impl::MakeVerifiers(std::vector<WorkPtr> batch) {
  Verifiers feed(*this, std::move(batch));
  matter::ComputeVerifiers(feed);
}

// ---- step 5: intent
// --------------------------------------------------------------------------------------

void Pipeline::Impl::IntentBatch(std::vector<Errand> batch) {
  // Nobody waits for them any more: no intent, no signature.
  std::erase_if(batch, [this](const Errand& errand) { return RefuseIfLate(errand.work); });
  std::erase_if(batch, [this](const Errand& errand) {
    if (seal_rest_.MayTry(Steady::now())) return false;
    Refused(errand.work, Refuse(Reason::STORE_UNAVAILABLE,
                                "the database does not take finished identities now"));
    return true;
  });
  if (batch.empty()) return;
  std::vector<db::Intent> intents;
  for (const Errand& errand : batch) {
    const Work& work = *errand.work;
    db::Intent intent;
    intent.lot_id = work.plan->lot.id;
    intent.ticket = work.request.ticket();
    intent.line = work.caller.line;
    intent.actor = work.caller.uri;
    intent.request_digest = work.digest;
    intent.device_id = work.attempt_name;
    if (work.module) intent.module_attempt = work.module->attempt_id;
    intent.serial_number = work.serial_number;
    intent.dac_serial = work.dac_serial;
    if (!work.public_key.empty()) intent.public_key_sha256 = Sha256(work.public_key);
    if (!work.tbs.empty()) intent.tbs_sha256 = Sha256(work.tbs);
    intent.dac_issuer = work.dac_issuer;
    intent.pai = work.pai_name;
    FillUnitValues(work, options_.production, intent);
    intents.push_back(std::move(intent));
  }
  ASSAY_STRETCH("intent");
  const auto outcomes = store_->RecordIntents(intents, options_.instance_id);
  for (size_t i = 0; i < batch.size(); ++i) {
    const WorkPtr& work = batch[i].work;
    if (outcomes[i].ok()) {
      work->attempt_id = *outcomes[i];
      StepDone(*work, Step::kIntent);
      SignDac(work);
      continue;
    }
    if (HasReason(outcomes[i].status(), Reason::STORE_IN_DOUBT)) work->in_doubt = true;
    if ((HasReason(outcomes[i].status(), Reason::TICKET_IN_FLIGHT) || work->in_doubt) &&
        work->looks++ < kMaxLooks) {
      // Another replica was first, or nobody knows: the ticket itself tells.
      database_.Push(kTicket, {work, nullptr, std::nullopt});
    } else if (MayDrawAgain(*work, outcomes[i].status())) {
      ++work->draws;
      crypto_.Push(kBuild, work);
    } else {
      Refused(work, InRequest(*work, outcomes[i].status()));
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
                   work->signed_at = work->step_started;
                   crypto_.Push(kVerify, work);
                 });
}

// ---- step 7: verify
// --------------------------------------------------------------------------------------

void Pipeline::Impl::VerifyBatch(const std::vector<WorkPtr>& batch) {
  for (const WorkPtr& work : batch) work->step_started = Steady::now();
  const std::vector<absl::Status> dacs = ProveDacs(batch);
  for (size_t i = 0; i < batch.size(); ++i) {
    const absl::Status proved = dacs[i].ok() ? ProveImages(*batch[i], random_) : dacs[i];
    if (proved.ok()) {
      SignImages(batch[i]);
    } else {
      GiveUp(batch[i], OfExtraValues(*batch[i], proved));
    }
  }
}

void Pipeline::Impl::SignImages(const WorkPtr& work) {
  const size_t count = work->images.size();
  if (!image_key_)
    return GiveUp(work, Refuse(Reason::HSM_KEY_MISSING, "the image certificate cannot be read"));
  if (count == 0) {
    work->signed_at = {};
    crypto_.Push(kFinish, work);
    return;
  }
  if (delegation_ != nullptr) {
    return delegation_->With(
        work->deadline, [this, work](absl::StatusOr<std::shared_ptr<const ImageDelegate>> given) {
          if (!given.ok()) return GiveUp(work, given.status());
          SignImagesAs(work, *std::move(given));
        });
  }
  work->image_signatures.assign(count, absl::UnknownError("not signed"));
  work->signatures_due = static_cast<int>(count);
  for (size_t i = 0; i < count; ++i) {
    signers_->Sign(options_.image_key, work->image_digests[i], work->deadline,
                   [this, work, i](absl::StatusOr<hsm::RawSignature> signature) {
                     work->image_signatures[i] = std::move(signature);
                     ASSAY_TESTPOINT("image signed");
                     if (--work->signatures_due > 0) return;
                     work->signed_at = Steady::now();
                     crypto_.Push(kFinish, work);
                   });
  }
}

void Pipeline::Impl::SignImagesAs(const WorkPtr& work,
                                  std::shared_ptr<const ImageDelegate> delegate) {
  work->image_signatures.clear();
  for (const Sha256Digest& digest : work->image_digests) {
    work->image_signatures.push_back(delegate->Sign(digest));
  }
  work->delegate = std::move(delegate);
  work->signed_at = Steady::now();
  crypto_.Push(kFinish, work);
}

void Pipeline::Impl::FinishBatch(const std::vector<WorkPtr>& batch) {
  const std::vector<absl::Status> proved = ProveImageSignatures(batch, *image_key_);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!proved[i].ok()) {
      GiveUp(batch[i], proved[i]);
      continue;
    }
    batch[i]->seal = MakeSeal(*batch[i], random_, clock_);
    StepDone(*batch[i], Step::kVerify);
    database_.Push(kSeal, {batch[i], nullptr, std::nullopt});
  }
}

}  // namespace assay::issue
