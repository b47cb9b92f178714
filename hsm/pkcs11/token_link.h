// The link to one token: sessions, login, and the cures for what breaks them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "hsm/pkcs11/ckr.h"
#include "hsm/pkcs11/module.h"
#include "hsm/pkcs11/pin_source.h"
#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::pkcs11 {

// A session lent for one piece of work. Object handles are good within one epoch.
struct Session {
  CK_FUNCTION_LIST* ck = nullptr;
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE handle = 0;
  uint64_t epoch = 0;
};

// How a piece of work ended: well, with a module's fault (which may be cured), or with a refusal
// (final).
struct Step {
  const char* call = "";
  CK_RV rv = CKR_OK;
  absl::Status refusal;
  bool renew = false;  // nothing failed; the module is to be initialized anew before going on

  static Step Done() { return {}; }
  static Step Fault(const char* call, CK_RV rv) { return {call, rv, {}}; }
  static Step Refused(absl::Status refusal) { return {"", CKR_OK, std::move(refusal)}; }
  static Step Renew() { return {"", CKR_OK, {}, true}; }
  bool ok() const { return rv == CKR_OK && refusal.ok() && !renew; }
};

// Thread-safe.
class TokenLink {
 public:
  using Work = absl::FunctionRef<Step(const Session&)>;

  TokenLink(std::shared_ptr<Module> module, Pkcs11Options options);
  ~TokenLink();

  // Runs `work` on a logged-in session. After a fault that has a cure, applies it and runs `work`
  // again, from its start; what is left in the end is the refusal. At most options.sessions pieces
  // of work at one time.
  absl::Status Run(Work work);
  // What the token told of itself when it was found in this epoch.
  CK_TOKEN_INFO token_info();
  const std::string& module_path() const { return module_->path(); }

 private:
  enum class Stage { kOpening, kWorking };
  struct Attempt {
    Step step;
    Stage stage = Stage::kOpening;
    uint64_t epoch = 0;
    uint64_t generation = 0;
  };

  absl::Status NoSuchToken() const;
  absl::Status TakePermit();
  void ReturnPermit();
  Attempt Try(Work work);
  Step Open(Session& session);
  Step FindSlot(uint64_t generation, Session& session);
  Step OpenSession(Session& session);
  Step LogIn(const Session& session);
  Step OfferPin(const Session& session);
  void GiveBack(const Session& session, CkrClass outcome);
  absl::Status Renew(uint64_t generation);
  absl::Status Cure(const Attempt& attempt, CkrClass c, int tries);
  void ForgetSessions(uint64_t epoch);
  void ShrinkToOpenSessions();
  void Report(const Step& step, CkrClass c);

  const std::shared_ptr<Module> module_;
  const Pkcs11Options options_;
  PinSource pins_;

  // Never held during a call into the module.
  std::mutex mutex_;
  std::condition_variable permit_returned_;
  int limit_;  // sessions the token bears; shrinks at CKR_SESSION_COUNT
  std::chrono::steady_clock::time_point shrunk_{};
  int permits_ = 0;  // pieces of work under way
  int open_ = 0;     // sessions open, lent or idle
  uint64_t epoch_ = 1;
  uint64_t generation_ = 0;  // of the module, in which slot_ was found
  CK_SLOT_ID slot_ = 0;
  CK_TOKEN_INFO token_info_{};
  bool logged_in_ = false;
  int failures_in_a_row_ = 0;
  std::vector<CK_SESSION_HANDLE> idle_;

  // One thread looks for the token or logs in at a time; timed, because both may hang.
  std::timed_mutex opening_;
};

}  // namespace assay::pkcs11
