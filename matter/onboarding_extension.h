// The TLV that may follow the fixed fields of a QR payload (spec 5.1.5). Internal to matter/.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/onboarding.h"

namespace assay::matter {

// FIELD_OUT_OF_RANGE, FIELD_TOO_LONG or FIELD_MALFORMED on "extension.<member>".
absl::Status CheckExtension(const PayloadExtension& extension);

// Empty for an empty extension, else an anonymous structure with ascending tags.
Bytes EncodeExtension(const PayloadExtension& extension);

// Reads tags in any order; refuses repeated and reserved ones and wrong types. Does not judge
// limits: CheckExtension does. Empty input is an empty extension.
absl::StatusOr<PayloadExtension> ParseExtension(ByteView tlv);

}  // namespace assay::matter
