// Whether a certificate may become a PAI of ours.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/certificate.h"

namespace assay::authority {

struct PaiCandidate {
  ByteView certificate;      // DER
  ByteView paa_certificate;  // DER
  uint16_t vendor_id = 0;    // as the PAI was created for
  std::optional<uint16_t> product_id;
  ByteView public_key;  // 65 bytes: the token's
};

struct PaiRules {
  bool production = false;
  const std::vector<Bytes>* trusted_paas = nullptr;  // DER; never null
  absl::Time now;
};

// Key, format of both, vendor and product, signature and names, dates, the trust list, and test
// credentials in production; in that order, the first that fails is the answer, naming the field
// "certificate" or "paa_certificate". Pure, thread-safe.
absl::Status CheckPaiCandidate(const PaiCandidate& candidate, const PaiRules& rules);

}  // namespace assay::authority
