// What a refusal calls a field, in the words of the request it refuses.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace assay::rpc {

// The parts of Assay name fields by what they are: a lot is `lot` to the store, wherever its name
// stood. A caller is told the path in the request it sent: `name` of GetLot, `ticket.lot` of
// GetReceipts. What lies within a field that is bytes or a text to the contract goes to the rule's
// beginning ("certification_declaration" and "cd.format_version: must be 1"). A field that is not
// the request's (`caller`) stays as it is, as does a status that is no refusal of a field.
// `method` as in "assay.v1.CatalogService/GetLot". Thread-safe.
absl::Status InRequestsWords(std::string_view method, const absl::Status& status);

}  // namespace assay::rpc
