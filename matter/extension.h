// One extension of a certificate or a CRL, read from its DER (RFC 5280 4.1.2.9).
#pragma once

#include "absl/status/statusor.h"
#include "matter/certificate.h"
#include "matter/der.h"

namespace assay::matter {

// The next Extension of `list`, which borrows its bytes. FIELD_MALFORMED.
absl::StatusOr<Extension> ReadExtension(DerReader& list);

}  // namespace assay::matter
