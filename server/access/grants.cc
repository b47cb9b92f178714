#include "server/access/grants.h"

#include "base/refusal.h"

namespace assay::access {

std::optional<Role> RoleOf(std::string_view name) {
  for (const Role role :
       {Role::kLine, Role::kOperator, Role::kAuditor, Role::kCodes, Role::kKeys}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

absl::StatusOr<Caller> GrantList::Find(std::string_view uri) const {
  const Grant* best = nullptr;
  if (uri.empty()) {
    return RefuseField(Reason::CALLER_UNKNOWN, "caller", "",
                       "the certificate has no URI among its names");
  }
  for (const Grant& grant : grants_) {
    if (grant.identity == uri) {
      best = &grant;
      break;
    }
    if (grant.identity.empty() || grant.identity.back() != '*') continue;
    const std::string_view prefix(grant.identity.data(), grant.identity.size() - 1);
    if (uri.starts_with(prefix) &&
        (best == nullptr || best->identity.size() < grant.identity.size())) {
      best = &grant;
    }
  }
  if (best == nullptr) {
    return RefuseField(Reason::CALLER_UNKNOWN, "caller", std::string(uri),
                       "no grant names this identity");
  }
  return Caller{std::string(uri), best->line.empty() ? std::string(uri) : best->line, best->roles,
                best->factories, best->lots};
}

}  // namespace assay::access
