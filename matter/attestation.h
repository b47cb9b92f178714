// Device attestation (spec 6.2.3, 11.18): the elements a device signs, and the check a commissioner
// makes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/attestation_result.h"
#include "matter/certificate.h"
#include "matter/certification_declaration.h"
#include "matter/revocation_set.h"

namespace assay::matter {

inline constexpr size_t kMaxAttestationElementsSize = 900;
inline constexpr size_t kAttestationNonceSize = 32;
inline constexpr size_t kAttestationChallengeSize = 16;

struct VendorElement {
  uint16_t vendor_id = 0;
  uint16_t profile = 0;
  uint32_t number = 0;
  Bytes bytes;
};

struct AttestationElements {
  Bytes certification_declaration;
  Bytes nonce;             // 32 bytes
  uint32_t timestamp = 0;  // epoch-s, 0 allowed
  std::optional<Bytes> firmware_information;
  std::vector<VendorElement> vendor_elements;
};
// FIELD_MALFORMED for a missing, repeated or misplaced element; unknown higher context tags are
// read over.
absl::StatusOr<Bytes> EncodeAttestationElements(const AttestationElements& elements);
absl::StatusOr<AttestationElements> DecodeAttestationElements(ByteView tlv);

struct NocsrElements {
  Bytes csr;
  Bytes nonce;                              // 32 bytes
  std::optional<Bytes> vendor_reserved[3];  // tags 3, 4, 5
};
absl::StatusOr<Bytes> EncodeNocsrElements(const NocsrElements& elements);
absl::StatusOr<NocsrElements> DecodeNocsrElements(ByteView tlv);

// Whether `raw` (64 bytes) is the device's signature over elements || challenge.
bool VerifyElementsSignature(const SignatureVerifier& key, ByteView elements, ByteView challenge,
                             ByteView raw);

// The PAAs a commissioner trusts, by subject key id. Built at start-up, then read by many threads.
class PaaTrustStore {
 public:
  // PAA_UNTRUSTED where the certificate does not fit the role.
  absl::Status Add(const Certificate& paa);
  const Certificate* Find(ByteView key_id) const;
  size_t size() const { return paas_.size(); }

 private:
  std::map<Bytes, Certificate> paas_;
};

struct AttestationInputs {
  ByteView elements;
  ByteView challenge;
  ByteView signature;       // raw r||s
  ByteView nonce;           // as sent to the device
  ByteView pai;             // DER
  ByteView dac;             // DER
  uint16_t vendor_id = 0;   // BasicInformation
  uint16_t product_id = 0;  // BasicInformation
  const PaaTrustStore* paas = nullptr;
  CdTrust cd_trust;
  const RevocationSet* revocations = nullptr;  // optional: step 15
  const CdRecord* cd_record = nullptr;  // optional: strict findings on fields commissioners ignore
  absl::Time now;
};

struct AttestationOutcome {
  // What connectedhomeip would answer: the first failure in its order.
  AttestationResult result = AttestationResult::kSuccess;
  // All that is wrong, in that order, strict findings last. Empty for a device beyond reproach.
  Findings findings;
};
// Pure and thread-safe; about three ECDSA verifications.
AttestationOutcome VerifyAttestation(const AttestationInputs& inputs);

}  // namespace assay::matter
