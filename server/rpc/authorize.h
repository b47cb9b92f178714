// Which role may make which call.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/access/caller.h"

namespace assay::rpc {

// `method` is "assay.v1.CatalogService/OpenLot". ROLE_MISSING where the caller has none of the
// method's roles; a method that is not in the table is refused to everybody. Lots and factories are
// checked where the lot is known.
absl::Status Authorize(const access::Caller& caller, std::string_view method);

// The roles of a method; nullptr where the table lacks it. An empty list: whoever has a grant.
const std::vector<access::Role>* RolesOf(std::string_view method);

}  // namespace assay::rpc
