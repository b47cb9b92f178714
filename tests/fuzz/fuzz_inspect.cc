// Inspection, which must say something sensible about any file, and detached signatures.
#include "image/cms.h"
#include "image/inspect.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::image;
  const assay::ByteView file(bytes, size);
  const auto inspection = InspectImage(file, {});
  if (inspection.ok()) {
    (void)InspectionText(*inspection).size();
    (void)InspectionJson(*inspection).size();
    (void)DiffImages(file, {}, file, {}).status();
  }
  (void)VerifyDetachedCms(file, file, file);
  return 0;
}
