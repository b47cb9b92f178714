#include "matter/attestation_result.h"

namespace assay::matter {

std::string_view AttestationResultName(AttestationResult result) {
  switch (result) {
#define ASSAY_ATTESTATION_CASE(name, number, text) \
  case AttestationResult::name:                    \
    return text;
    ASSAY_ATTESTATION_RESULTS(ASSAY_ATTESTATION_CASE)
#undef ASSAY_ATTESTATION_CASE
  }
  return "Unknown";
}

}  // namespace assay::matter
