// The client's own look at what the server returned, before anything is written: promises 4 and 5
// seen from the line.
#pragma once

#include "absl/status/status.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/types.pb.h"

namespace assay::client {

// Hashes and signatures of the images, the certificates' form and chain, the codes against passcode
// and discriminator. VERIFY_FAILED or a reason of the broken part, naming what is wrong.
absl::Status CheckIdentity(const v1::Identity& identity, const v1::ProductSpec& spec);

}  // namespace assay::client
