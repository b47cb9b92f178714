// The secure-cert reader. What it accepts must build again to the same entries.
#include <cstdlib>

#include "image/secure_cert.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::image;
  const auto entries = ParseSecureCert({bytes, size});
  if (!entries.ok()) return 0;
  const auto image = BuildSecureCert(*entries, {SecureCertTail::kShort, 0x100000, false});
  if (!image.ok()) return 0;
  const auto again = ParseSecureCert(image->view());
  if (!again.ok() || again->size() != entries->size()) std::abort();
  return 0;
}
