// What the world outside is given about our lists: connectedhomeip's revocation set, and records
// for the DCL.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "db/revocation_store.h"
#include "server/revoke/crl_press.h"

namespace assay::revoke {

// The set of every list of every issuer, signing first what is missing or has ended. A list whose
// signature does not verify is VERIFY_FAILED for the whole: a set that leaves an issuer out would
// tell commissioners that its devices are fine.
absl::StatusOr<std::string> RevocationSetJson(CrlPress& press, db::RevocationStore& revocations,
                                              const Clock& clock);

// One record a part, as the DCL's AddPkiRevocationDistributionPoint wants it (revocation type 1:
// size and digest of the file stay empty). FIELD_NOT_ALLOWED without base_url and for the sandbox's
// PAA.
absl::StatusOr<std::vector<v1::DistributionPoint>> DistributionPoints(
    CrlPress& press, db::RevocationStore& revocations, const std::string& issuer);

}  // namespace assay::revoke
