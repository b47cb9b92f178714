// Certificate requests of devices, DER and PEM. An accepted one has a point on the curve, and its
// proof of possession held.
#include <cstdlib>

#include "matter/csr.h"
#include "matter/der.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::matter;
  const auto der = CsrDerFrom({bytes, size});
  if (!der.ok()) return 0;
  const auto csr = ParseCsr(*der);
  if (!csr.ok()) return 0;
  if (!CheckP256Point(csr->public_key).ok()) std::abort();
  if (EncodeCsrInfo(csr->subject, csr->public_key).empty()) std::abort();
  return 0;
}
