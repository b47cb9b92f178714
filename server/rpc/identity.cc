#include "server/rpc/identity.h"

#include <vector>

#include "base/refusal.h"
#include "grpc/grpc_security_constants.h"

namespace assay::rpc {

absl::StatusOr<std::string> PeerUri(const grpc::AuthContext& peer) {
  const std::vector<grpc::string_ref> uris = peer.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  if (uris.size() == 1 && !uris[0].empty()) return std::string(uris[0].data(), uris[0].size());
  return RefuseField(Reason::CALLER_UNKNOWN, "caller", "",
                     uris.empty() ? "the certificate has no URI among its names"
                                  : "the certificate has more than one URI among its names");
}

}  // namespace assay::rpc
