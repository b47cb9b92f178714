#include "hsm/pkcs11/token_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

constexpr int kMostTries = 4;
// A device that keeps failing on fresh sessions is given a fresh module.
constexpr int kFailuresForReinitialize = 4;
// Other programs may have given sessions back by then.
constexpr std::chrono::seconds kRegrowAfter{10};

absl::Status AnotherHangs() {
  return Refuse(Reason::HSM_UNAVAILABLE, "another thread waits for the token to let it in");
}

}  // namespace

TokenLink::TokenLink(std::shared_ptr<Module> module, Pkcs11Options options)
    : module_(std::move(module)),
      options_(std::move(options)),
      pins_(options_.pin_file, options_.pin.Clone()),
      limit_(std::max(1, options_.sessions)) {}

TokenLink::~TokenLink() {
  const CallGate::Pass pass(module_->gate());
  if (module_->generation() != generation_) return;
  for (const CK_SESSION_HANDLE session : idle_) module_->ck().C_CloseSession(session);
}

CK_TOKEN_INFO TokenLink::token_info() {
  std::lock_guard lock(mutex_);
  return token_info_;
}

absl::Status TokenLink::Run(Work work) {
  ASSAY_RETURN_IF_ERROR(TakePermit());
  absl::Status outcome;
  for (int tries = 1;; ++tries) {
    const Attempt attempt = Try(work);
    if (attempt.step.renew) {
      outcome = Renew(attempt.generation);
      if (!outcome.ok() || tries == kMostTries) break;
      continue;
    }
    const CkrClass c = ClassOf(attempt.step.rv);
    if (attempt.step.ok() || !attempt.step.refusal.ok()) {
      outcome = attempt.step.refusal;
      break;
    }
    Report(attempt.step, c);
    outcome = attempt.step.rv == CKR_TOKEN_NOT_PRESENT && attempt.stage == Stage::kOpening
                  ? NoSuchToken()
                  : RefuseCkr(attempt.step.call, attempt.step.rv);
    if (tries == kMostTries) break;
    if (c == CkrClass::kBusy) {
      ReturnPermit();
      ShrinkToOpenSessions();
      if (absl::Status permit = TakePermit(); !permit.ok()) return permit;
      continue;
    }
    if (absl::Status cured = Cure(attempt, c, tries); !cured.ok()) break;
  }
  {
    std::lock_guard lock(mutex_);
    failures_in_a_row_ = HasReason(outcome, Reason::HSM_UNAVAILABLE) ? failures_in_a_row_ + 1 : 0;
  }
  ReturnPermit();
  return outcome;
}

// The tokens that are there are not named: a caller hears this too.
absl::Status TokenLink::NoSuchToken() const {
  std::string wanted;
  if (!options_.token_label.empty()) wanted = absl::StrCat(" labelled ", options_.token_label);
  if (!options_.token_serial.empty()) {
    absl::StrAppend(&wanted, wanted.empty() ? "" : " and", " of serial number ",
                    options_.token_serial);
  }
  return Refuse(Reason::HSM_UNAVAILABLE,
                absl::StrCat("the module has no token", wanted, " (CKR_TOKEN_NOT_PRESENT)"));
}

absl::Status TokenLink::TakePermit() {
  std::unique_lock lock(mutex_);
  if (limit_ < options_.sessions && std::chrono::steady_clock::now() - shrunk_ > kRegrowAfter) {
    limit_ = options_.sessions;
  }
  if (!permit_returned_.wait_for(lock, options_.session_wait,
                                 [this] { return permits_ < limit_; })) {
    return Refuse(Reason::HSM_UNAVAILABLE,
                  absl::StrCat("all ", limit_, " sessions with the token are in use"));
  }
  ++permits_;
  return absl::OkStatus();
}

void TokenLink::ReturnPermit() {
  std::lock_guard lock(mutex_);
  --permits_;
  permit_returned_.notify_one();
}

TokenLink::Attempt TokenLink::Try(Work work) {
  const CallGate::Pass pass(module_->gate());
  Attempt attempt;
  attempt.generation = module_->generation();
  Session session;
  session.ck = &module_->ck();
  attempt.step = Open(session);
  attempt.epoch = session.epoch;
  if (!attempt.step.ok()) return attempt;
  attempt.stage = Stage::kWorking;
  attempt.step = work(session);
  GiveBack(session, ClassOf(attempt.step.rv));
  return attempt;
}

// Fills `session`, its epoch in any case.
Step TokenLink::Open(Session& session) {
  const uint64_t generation = module_->generation();
  bool found;
  {
    std::lock_guard lock(mutex_);
    session.epoch = epoch_;
    session.slot = slot_;
    found = generation != 0 && generation == generation_;
    if (found && logged_in_ && !idle_.empty()) {
      session.handle = idle_.back();
      idle_.pop_back();
      return Step::Done();
    }
  }
  if (!found) {
    if (Step step = FindSlot(generation, session); !step.ok()) return step;
  }
  if (Step step = OpenSession(session); !step.ok()) return step;
  Step step = LogIn(session);
  if (!step.ok()) GiveBack(session, CkrClass::kSession);
  return step;
}

Step TokenLink::FindSlot(uint64_t generation, Session& session) {
  if (generation == 0) return Step::Fault("C_Initialize", CKR_CRYPTOKI_NOT_INITIALIZED);
  std::unique_lock opening(opening_, options_.session_wait);
  if (!opening) return Step::Refused(AnotherHangs());
  {
    std::lock_guard lock(mutex_);
    session.epoch = epoch_;
    session.slot = slot_;
    if (generation_ == generation) return Step::Done();
  }
  Module::Found found;
  const CK_RV rv = module_->FindToken(options_.token_label, options_.token_serial, found);
  if (rv != CKR_OK) return Step::Fault("C_GetTokenInfo", rv);
  std::lock_guard lock(mutex_);
  generation_ = generation;
  slot_ = found.slot;
  token_info_ = found.token;
  idle_.clear();
  open_ = 0;
  logged_in_ = false;
  limit_ = std::max(1, options_.sessions);
  session.epoch = ++epoch_;
  session.slot = slot_;
  return Step::Done();
}

Step TokenLink::OpenSession(Session& session) {
  const CK_RV rv = session.ck->C_OpenSession(session.slot, CKF_SERIAL_SESSION, nullptr, nullptr,
                                             &session.handle);
  if (rv != CKR_OK) return Step::Fault("C_OpenSession", rv);
  std::lock_guard lock(mutex_);
  ++open_;
  return Step::Done();
}

Step TokenLink::LogIn(const Session& session) {
  const auto is_done = [&] {
    std::lock_guard lock(mutex_);
    return logged_in_ && epoch_ == session.epoch;
  };
  if (is_done()) return Step::Done();
  std::unique_lock opening(opening_, options_.session_wait);
  if (!opening) return Step::Refused(AnotherHangs());
  if (is_done()) return Step::Done();
  if (Step step = OfferPin(session); !step.ok()) return step;
  std::lock_guard lock(mutex_);
  if (epoch_ == session.epoch) logged_in_ = true;
  return Step::Done();
}

Step TokenLink::OfferPin(const Session& session) {
  CK_TOKEN_INFO info{};
  if (const CK_RV rv = session.ck->C_GetTokenInfo(session.slot, &info); rv != CKR_OK) {
    return Step::Fault("C_GetTokenInfo", rv);
  }
  if ((info.flags & CKF_LOGIN_REQUIRED) == 0) return Step::Done();
  CK_SESSION_INFO state{};
  if (session.ck->C_GetSessionInfo(session.handle, &state) == CKR_OK &&
      (state.state == CKS_RO_USER_FUNCTIONS || state.state == CKS_RW_USER_FUNCTIONS)) {
    return Step::Done();
  }
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return Step::Refused(Refuse(Reason::HSM_PIN_LOCKED, "the token says CKF_USER_PIN_LOCKED"));
  }
  if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return Step::Refused(Refuse(Reason::HSM_PIN_REJECTED,
                                "the token says CKF_USER_PIN_FINAL_TRY; the last try is left to a "
                                "person: log in once by hand with the right PIN"));
  }
  absl::StatusOr<SecretBytes> pin = pins_.Take();
  if (!pin.ok()) return Step::Refused(pin.status());
  // A module may remember what another program has changed since (SoftHSM then refuses the right
  // PIN). The one attempt a new PIN has must be a fair one.
  if (!pins_.IsFair(*pin, module_->generation())) return Step::Renew();
  const CK_RV rv = session.ck->C_Login(session.handle, CKU_USER, pin->data(), pin->size());
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) return Step::Done();
  const CkrClass c = ClassOf(rv);
  const Step fault = Step::Fault("C_Login", rv);
  if (c != CkrClass::kPin && c != CkrClass::kPinLocked) return fault;
  pins_.Hold(*pin, c == CkrClass::kPinLocked);
  Report(fault, c);
  LogError("hsm_pin_held", {{"token", options_.token_label},
                            {"ckr", CkrName(rv)},
                            {"next", "no login is tried until the PIN file changes"}});
  return Step::Refused(RefuseCkr("C_Login", rv));
}

// Back to the idle ones, or closed when it is of another epoch or may be broken.
void TokenLink::GiveBack(const Session& session, CkrClass outcome) {
  const bool sound = outcome == CkrClass::kOk || outcome == CkrClass::kKey ||
                     outcome == CkrClass::kUnsupported || outcome == CkrClass::kInput;
  {
    std::lock_guard lock(mutex_);
    if (epoch_ == session.epoch) {
      if (sound) {
        idle_.push_back(session.handle);
        return;
      }
      // With its last session an application is logged out, and its handles are void.
      if (--open_ == 0) {
        logged_in_ = false;
        ++epoch_;
      }
    }
  }
  session.ck->C_CloseSession(session.handle);
}

absl::Status TokenLink::Renew(uint64_t generation) {
  absl::Status renewed =
      module_->Reinitialize(generation, options_.drain_wait, options_.reinitialize_interval);
  if (renewed.ok()) return renewed;
  return Refuse(Reason::HSM_UNAVAILABLE,
                absl::StrCat("the PIN has changed, and is offered once the module is initialized "
                             "anew: ",
                             renewed.message()));
}

// What to do before the next try; not OK when nothing helps.
absl::Status TokenLink::Cure(const Attempt& attempt, CkrClass c, int tries) {
  const auto reinitialize = [&] {
    return module_->Reinitialize(attempt.generation, options_.drain_wait,
                                 options_.reinitialize_interval);
  };
  const auto no_cure = [] { return Refuse(Reason::HSM_UNAVAILABLE, "no cure"); };
  int failures;
  {
    std::lock_guard lock(mutex_);
    failures = failures_in_a_row_;
  }
  switch (c) {
    case CkrClass::kSession:
    case CkrClass::kLogin:
    case CkrClass::kObject:
      if (tries > 1) return reinitialize();
      ForgetSessions(attempt.epoch);
      return absl::OkStatus();
    case CkrClass::kTransient:
      // While opening, SoftHSM says CKR_GENERAL_ERROR for a store that is gone.
      if (attempt.stage == Stage::kOpening || failures >= kFailuresForReinitialize) {
        return tries < 3 ? reinitialize() : no_cure();
      }
      return tries > 1 ? no_cure() : absl::OkStatus();
    case CkrClass::kDevice:
      return tries < 3 ? reinitialize() : no_cure();
    default:
      return no_cure();
  }
}

void TokenLink::ForgetSessions(uint64_t epoch) {
  const CallGate::Pass pass(module_->gate());
  std::vector<CK_SESSION_HANDLE> old;
  {
    std::lock_guard lock(mutex_);
    if (epoch_ != epoch) return;
    ++epoch_;
    logged_in_ = false;
    open_ = 0;
    old.swap(idle_);
    if (module_->generation() != generation_) return;
  }
  for (const CK_SESSION_HANDLE session : old) module_->ck().C_CloseSession(session);
}

void TokenLink::ShrinkToOpenSessions() {
  std::lock_guard lock(mutex_);
  limit_ = std::clamp(open_, 1, limit_);
  shrunk_ = std::chrono::steady_clock::now();
}

void TokenLink::Report(const Step& step, CkrClass c) {
  const Pkcs11Fault fault{step.call, CkrName(step.rv), ClassName(c)};
  if (options_.on_fault) return options_.on_fault(fault);
  LogWarning("hsm_fault", {{"call", fault.call},
                           {"ckr", fault.ckr},
                           {"class", fault.fault_class},
                           {"token", options_.token_label}});
}

}  // namespace assay::pkcs11
