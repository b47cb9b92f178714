// Who is calling, and what the grants allow.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace assay::access {

enum class Role {
  kLine,      // issue, fetch, confirm, on granted lots or factories
  kOperator,  // catalog and authority
  kAuditor,   // read the records
  kCodes,     // sees passcodes and codes in the records
  kKeys,      // is given keys partitions and eFuse keys
};

// "line", "operator", "auditor", "codes", "keys".
std::string_view RoleName(Role role);

// The grants of one caller, fixed for the length of a call.
struct Caller {
  std::string uri;  // URI SAN of the certificate
  std::string
      line;  // the line's name: stations of one line share it; the uri when the grant names none
  std::set<Role> roles;
  std::vector<std::string> factories;  // "*" for all
  std::vector<std::string> lots;       // names; "*" for all of the factories above
  bool takes_short_images = false;     // its program puts erased flash back by itself

  bool Has(Role role) const { return roles.contains(role); }
  // ROLE_MISSING names the role.
  absl::Status CheckRole(Role role) const;
  // Granted by factory and by lot; LOT_NOT_GRANTED otherwise. The same answer for a lot that is not
  // there, so that a line cannot find out another factory's lots.
  absl::Status CheckLot(std::string_view factory, std::string_view lot) const;
  // Granted all lots of all factories; LOT_NOT_GRANTED otherwise.
  absl::Status CheckEveryLot() const;
};

}  // namespace assay::access
