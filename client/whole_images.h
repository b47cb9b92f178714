// Images travel without the erased flash they end with; whoever reads them wants them whole.
#pragma once

#include <grpcpp/client_context.h>

#include "assay/v1/issuance.pb.h"

namespace assay::client {

// Has the call's images sent so. Services of releases before 0.2 send them whole all the same.
void TakeShortImages(grpc::ClientContext& context);

// Puts back what was left out of the images. What is withheld, or whole
// already, stays as it is. A size no flash chip has is not believed: such an image stays short, and
// CheckIdentity finds that it does not have its SHA-256.
void MakeImagesWhole(v1::Identity& identity);
inline void MakeImagesWhole(v1::IssueResponse& response) {
  MakeImagesWhole(*response.mutable_identity());
}
// Other answers have no images.
template <typename Response>
void MakeImagesWhole(Response&) {}

}  // namespace assay::client
