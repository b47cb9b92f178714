// The requests of guarded acts from what was typed: the same for the ordinary commands and for
// proposing.
#pragma once

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "assay/v1/catalog.pb.h"
#include "client/command/commands.h"
#include "client/command/revocation_commands.h"

namespace assay::client {

v1::OpenLotRequest OpenLotRequestOf(const Context& context, const LotOptions& options);
v1::RaiseLotRequest RaiseLotRequestOf(const LotOptions& options);
v1::ActivatePaiRequest ActivatePaiRequestOf(const PaiOptions& options);
// FIELD_MALFORMED names --reason.
absl::StatusOr<v1::RevocationReason> ReasonOf(const std::string& word);
absl::StatusOr<v1::RevokeLotRequest> RevokeLotRequestOf(const RevokeOptions& options);
absl::StatusOr<v1::RevokePaiRequest> RevokePaiRequestOf(const RevokeOptions& options);

}  // namespace assay::client
