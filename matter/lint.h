// The check before and after the HSM signs (steps 4 and 7): reads the bytes again, knowing nothing
// of the encoder.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/attestation_result.h"
#include "matter/certificate.h"
#include "matter/certification_declaration.h"
#include "matter/ecdsa.h"

namespace assay::matter {

// What the DAC must agree with. Pointers may be nullptr only where said; all must outlive the call.
struct DacLintContext {
  const Certificate* pai = nullptr;
  const Certificate* paa = nullptr;              // may be absent (then its rules are skipped)
  const CertificationDeclaration* cd = nullptr;  // may be absent (no CD in this lot)
  uint16_t vid = 0;
  uint16_t pid = 0;
  // What BasicInformation of the device will say; the CD is for this pair. Equal to vid and pid but
  // for white labels.
  std::optional<uint16_t> basic_info_vid;
  std::optional<uint16_t> basic_info_pid;
  ByteView public_key;  // 65 bytes
  ByteView serial;      // as given to DacTemplate::Fill
  absl::Time now;
  absl::Duration clock_skew = absl::Minutes(10);  // how far notBefore may lie before `now`
  size_t max_size = kMaxCertificateSize;  // of the finished certificate with the longest signature
};

// Every rule of the DAC profile: v3, ecdsa-with-SHA256, serial, times, names, VID and PID, P-256
// point, exactly four extensions in order and minimal, key ids, nesting in PAI and PAA, the CD
// (2.3), size. OK, or LINT_FAILED for the first rule broken with a field such as "dac.key_usage".
absl::Status LintDac(ByteView tbs, const DacLintContext& context);
// The same rules, all of what is broken.
Findings LintDacFully(ByteView tbs, const DacLintContext& context);

// After signing: `certificate` is exactly {linted tbs, ecdsa-with-SHA256, DER signature} and at
// most `max_size` bytes; VERIFY_FAILED otherwise. What is left to check is the signature under the
// PAI's key, which has to outlive the answer: the caller puts it to VerifyAll, beside others.
// Thread-safe.
absl::StatusOr<SignatureCheck> ReadIssuedDac(ByteView certificate, ByteView linted_tbs,
                                             const SignatureVerifier& pai_key,
                                             size_t max_size = kMaxCertificateSize);

// A PAI before it is installed: format, VID (and PID), chain to `paa`, validity nesting, size, and
// the key of the HSM. PAI_INVALID naming the rule. `hsm_point` is 65 bytes.
absl::Status LintPai(const Certificate& pai, const Certificate& paa, ByteView hsm_point);

}  // namespace assay::matter
