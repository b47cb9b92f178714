#include "client/whole_images.h"

#include "image/erased_flash.h"

namespace assay::client {

void TakeShortImages(grpc::ClientContext& context) {
  context.AddMetadata(image::kShortImagesHeader, "1");
}

void MakeImagesWhole(v1::Identity& identity) {
  for (v1::ImageFile& image : *identity.mutable_images()) {
    if (image.withheld()) continue;
    image::RestoreErasedFlash(*image.mutable_content(), image.size());
  }
}

}  // namespace assay::client
