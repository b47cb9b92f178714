// Who is at the other end: the URI name in the certificate TLS has verified.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/auth_context.h"

namespace assay::rpc {

// The one URI among the certificate's alternative names. CALLER_UNKNOWN where there is none, one
// that is not printable ASCII, or more than one: a SPIFFE certificate has exactly one, and choosing
// among several would let a certificate pick its role.
absl::StatusOr<std::string> PeerUri(const grpc::AuthContext& peer);

}  // namespace assay::rpc
