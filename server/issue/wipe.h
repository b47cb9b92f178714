// Secrets that had to pass through protobuf messages, wiped before their memory is given back.
#pragma once

#include "assay/v1/issuance.pb.h"

namespace assay::issue {

// Codes, verifier and images; what is public stays.
void WipeIdentity(v1::Identity& identity);
// A given private key, passcode and verifier.
void WipeRequest(v1::IssueRequest& request);

}  // namespace assay::issue
