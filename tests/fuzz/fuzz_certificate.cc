// Certificates of others (given DACs, PAIs, PAAs) and revocation lists, DER and PEM.
#include <cstdlib>

#include "matter/certificate.h"
#include "matter/crl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::matter;
  const assay::ByteView view(bytes, size);
  (void)Certificate::ParsePem(assay::AsText(view)).status();
  const auto certificate = Certificate::Parse(view);
  if (certificate.ok() && assay::ToBytes(certificate->der()) != assay::ToBytes(view)) std::abort();
  const auto crl = ParseCrl(view);
  if (crl.ok() && crl->der != assay::ToBytes(view)) std::abort();
  return 0;
}
