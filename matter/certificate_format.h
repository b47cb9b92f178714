// Whether one certificate fits its role in Matter's device attestation PKI, and whether three make
// a chain.
#pragma once

#include "absl/time/time.h"
#include "matter/attestation_result.h"
#include "matter/certificate.h"

namespace assay::matter {

enum class Role { kPaa, kPai, kDac };

// Spec 6.2.2.3..6.2.2.5 exactly as connectedhomeip's VerifyAttestationCertificateFormat: version,
// algorithm, key, BasicConstraints, KeyUsage, key identifiers, one of each, criticality. No finding
// means it fits; the results are 105, 203 or 303 by role. Names, VID/PID, dates and signatures are
// not looked at.
Findings CheckFormat(const Certificate& certificate, Role role);

// As connectedhomeip's ValidateCertificateChain: names and key ids link, both signatures are right,
// the PAA is self-signed, and PAI and PAA are valid AT THE DAC's notBefore (the present does not
// matter). No finding means the chain holds; kDacSignatureInvalid (301) says which link broke;
// kPaaArgumentInvalid (106) and kDacArgumentInvalid (304) stand for a nullptr there.
Findings CheckChain(const Certificate* paa, const Certificate* pai, const Certificate* dac);

// connectedhomeip's IsCertificateValidAtIssuance: candidate.notBefore lies within issuer's
// validity.
bool WasValidAtIssuance(const Certificate& candidate, const Certificate& issuer);

}  // namespace assay::matter
