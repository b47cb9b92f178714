#include "server/ops/hsm_faults.h"

#include <utility>

#include "base/log.h"
#include "base/refusal.h"

namespace assay::ops {
namespace {

// Empty for what the module has reported itself, or what is no fault of the HSM's.
std::string_view ClassOf(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  if (!refusal) return "";
  switch (refusal->reason) {
    case Reason::HSM_TIMEOUT:
      return "hang";
    case Reason::HSM_BAD_SIGNATURE:
      return "wrong_signature";
    case Reason::HSM_KEY_MISSING:
      return "key_missing";
    case Reason::HSM_KEY_UNFIT:
      return "key_unfit";
    case Reason::HSM_PIN_REJECTED:
    case Reason::HSM_PIN_LOCKED:
      return "pin_hold";
    default:
      return "";
  }
}

}  // namespace

void HsmFaults::Finished(const absl::Status& status, bool sealed_before,
                         std::chrono::nanoseconds took) {
  metrics_.Finished(status, sealed_before, took);
  if (HasReason(status, Reason::HSM_BAD_SIGNATURE)) Met(status);
}

void HsmFaults::Reported(std::string_view fault_class, std::string_view call,
                         std::string_view ckr) {
  Tell(fault_class, call, ckr, "");
}

void HsmFaults::Met(const absl::Status& status) {
  const std::string_view fault_class = ClassOf(status);
  if (fault_class.empty()) return;
  Tell(fault_class, "C_Sign", "none", {status.message().data(), status.message().size()});
}

void HsmFaults::Tell(std::string_view fault_class, std::string_view call, std::string_view ckr,
                     std::string_view message) {
  metrics_.CountHsmFault(fault_class, call, ckr);
  int64_t since = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = told_.try_emplace(std::string(fault_class)).first;
    ++found->second.since;
    const auto now = Steady::now();
    if (found->second.at != Steady::time_point{} && now - found->second.at < kLineEvery) return;
    found->second.at = now;
    since = std::exchange(found->second.since, 0);
  }
  LogWarning("hsm_fault", {{"class", std::string(fault_class)},
                           {"call", std::string(call)},
                           {"ckr", std::string(ckr)},
                           {"faults", since},
                           {"message", std::string(message)}});
}

}  // namespace assay::ops
