#include "server/access/caller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::access {
namespace {

bool Lists(const std::vector<std::string>& granted, std::string_view name) {
  return std::any_of(granted.begin(), granted.end(),
                     [&](const std::string& one) { return one == "*" || one == name; });
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kLine:
      return "line";
    case Role::kOperator:
      return "operator";
    case Role::kAuditor:
      return "auditor";
    case Role::kCodes:
      return "codes";
    case Role::kKeys:
      return "keys";
  }
  return "unknown";
}

absl::Status Caller::CheckRole(Role role) const {
  if (Has(role)) return absl::OkStatus();
  return RefuseField(Reason::ROLE_MISSING, "caller", uri,
                     absl::StrCat("this call needs the role ", std::string(RoleName(role))));
}

absl::Status Caller::CheckLot(std::string_view factory, std::string_view lot) const {
  if (Lists(factories, factory) && Lists(lots, lot)) return absl::OkStatus();
  return RefuseField(Reason::LOT_NOT_GRANTED, "lot", std::string(lot),
                     "there is no such lot, or the caller has no grant on it");
}

absl::Status Caller::CheckEveryLot() const {
  // Names have no '*', so only a grant on all matches.
  if (Lists(factories, "*") && Lists(lots, "*")) return absl::OkStatus();
  return RefuseField(Reason::LOT_NOT_GRANTED, "caller", uri,
                     "this call needs a grant on all lots of all factories");
}

}  // namespace assay::access
