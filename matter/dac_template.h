// The DAC of one product under one PAI, made from a DER template: step 4 for every device.
// Spec 6.2.2.3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/random.h"
#include "matter/certificate.h"

namespace assay::matter {

// When the DACs of a lot end. A device cannot renew its DAC, so "never" is the default.
class DacEnd {
 public:
  static DacEnd Never();
  static DacEnd WithPai();            // the PAI's own notAfter
  static DacEnd At(absl::Time time);  // refused by Make when it lies outside the PAI's validity

  absl::StatusOr<absl::Time> For(const Certificate& pai) const;

 private:
  enum class Kind { kNever, kWithPai, kAt };
  DacEnd(Kind kind, absl::Time time) : kind_(kind), time_(time) {}
  Kind kind_;
  absl::Time time_;
};

struct DacFields {
  ByteView serial;               // 1..20 octets, first bit clear, not all zero
  std::string_view common_name;  // CheckCommonName; empty leaves the attribute out
  absl::Time not_before;         // ChooseDacNotBefore; cut to seconds
  ByteView public_key;           // 65 bytes; the caller has checked the point
};

// Immutable after Make; Fill is thread-safe, uses no OpenSSL object and costs about two
// microseconds.
class DacTemplate {
 public:
  // PAI_INVALID where `pai` does not fit its role or its VID or PID differ from the given ones;
  // FIELD_OUT_OF_RANGE for an end outside the PAI's validity.
  static absl::StatusOr<DacTemplate> Make(const Certificate& pai, uint16_t vid, uint16_t pid,
                                          const DacEnd& end = DacEnd::Never());

  // Whole TBSCertificate: what the HSM signs. SKID is SHA-1 of the point, AKID the PAI's own SKID,
  // the issuer the PAI's subject byte for byte. FIELD_* for a field out of its rule.
  absl::StatusOr<Bytes> Fill(const DacFields& fields) const;

  absl::Time not_after() const { return not_after_; }

 private:
  DacTemplate() = default;
  Bytes issuer_;  // AlgorithmIdentifier and issuer Name
  Bytes not_after_der_;
  Bytes ids_;              // the VID and PID RDNs
  Bytes key_prefix_;       // SubjectPublicKeyInfo up to the point
  Bytes extensions_head_;  // [3] up to the SKID's 20 bytes
  Bytes authority_;        // AKID extension
  absl::Time not_after_;
};

// 20 octets (19 random with a leading 01..7F): positive, at most 20 octets, unguessable, never
// needs a 00 pad.
Bytes DrawDacSerial(Random& random);

// max(now - skew, PAI.notBefore, PAA.notBefore). PAI_NOT_ACTIVE when `now` lies outside the PAI's
// or the PAA's validity, which no commissioner would notice later. `paa` may be nullptr.
absl::StatusOr<absl::Time> ChooseDacNotBefore(absl::Time now, absl::Duration skew,
                                              const Certificate& pai, const Certificate* paa);

}  // namespace assay::matter
