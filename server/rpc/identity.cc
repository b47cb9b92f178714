#include "server/rpc/identity.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "grpc/grpc_security_constants.h"

namespace assay::rpc {

absl::StatusOr<std::string> PeerUri(const grpc::AuthContext& peer) {
  const std::vector<grpc::string_ref> uris = peer.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  if (uris.size() == 1 && !uris[0].empty()) {
    const std::string_view uri(uris[0].data(), uris[0].size());
    // RFC 3986. What a CA let through beyond it must not reach logs, records and the ledger.
    if (std::all_of(uri.begin(), uri.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
      return std::string(uri);
    }
    return RefuseField(Reason::CALLER_UNKNOWN, "caller", "",
                       "the certificate's URI holds characters that no URI has");
  }
  return RefuseField(Reason::CALLER_UNKNOWN, "caller", "",
                     uris.empty() ? "the certificate has no URI among its names"
                                  : "the certificate has more than one URI among its names");
}

}  // namespace assay::rpc
