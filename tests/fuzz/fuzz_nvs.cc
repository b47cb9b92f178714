// The NVS reader. What it accepts must build again and read back to the same entries.
#include <cstdlib>

#include "image/factory_keys.h"
#include "image/nvs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::image;
  const auto entries = ParseNvs({bytes, size});
  if (!entries.ok()) return 0;
  (void)FromNvsEntries(*entries).status();
  const auto needed = NvsBytesNeeded(*entries, NvsVersion::kV2);
  if (!needed.ok()) return 0;
  const auto image = BuildNvs(*entries, {*needed, NvsVersion::kV2});
  if (!image.ok()) std::abort();
  const auto again = ParseNvs(image->view());
  if (!again.ok() || !(*again == *entries)) std::abort();
  return 0;
}
