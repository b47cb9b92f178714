// connectedhomeip's AttestationVerificationResult numbers, so that factory staff and SDK logs
// agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::matter {

// Numbers and names of src/credentials/attestation_verifier/DeviceAttestationVerifier.h.
#define ASSAY_ATTESTATION_RESULTS(X)                                              \
  X(kSuccess, 0, "Success")                                                       \
  X(kPaaUntrusted, 100, "PaaUntrusted")                                           \
  X(kPaaNotFound, 101, "PaaNotFound")                                             \
  X(kPaaExpired, 102, "PaaExpired")                                               \
  X(kPaaSignatureInvalid, 103, "PaaSignatureInvalid")                             \
  X(kPaaRevoked, 104, "PaaRevoked")                                               \
  X(kPaaFormatInvalid, 105, "PaaFormatInvalid")                                   \
  X(kPaaArgumentInvalid, 106, "PaaArgumentInvalid")                               \
  X(kPaiExpired, 200, "PaiExpired")                                               \
  X(kPaiSignatureInvalid, 201, "PaiSignatureInvalid")                             \
  X(kPaiRevoked, 202, "PaiRevoked")                                               \
  X(kPaiFormatInvalid, 203, "PaiFormatInvalid")                                   \
  X(kPaiArgumentInvalid, 204, "PaiArgumentInvalid")                               \
  X(kPaiVendorIdMismatch, 205, "PaiVendorIdMismatch")                             \
  X(kPaiAuthorityNotFound, 206, "PaiAuthorityNotFound")                           \
  X(kPaiMissing, 207, "PaiMissing")                                               \
  X(kPaiAndDacRevoked, 208, "PaiAndDacRevoked")                                   \
  X(kDacExpired, 300, "DacExpired")                                               \
  X(kDacSignatureInvalid, 301, "DacSignatureInvalid")                             \
  X(kDacRevoked, 302, "DacRevoked")                                               \
  X(kDacFormatInvalid, 303, "DacFormatInvalid")                                   \
  X(kDacArgumentInvalid, 304, "DacArgumentInvalid")                               \
  X(kDacVendorIdMismatch, 305, "DacVendorIdMismatch")                             \
  X(kDacProductIdMismatch, 306, "DacProductIdMismatch")                           \
  X(kDacAuthorityNotFound, 307, "DacAuthorityNotFound")                           \
  X(kFirmwareInformationMismatch, 400, "FirmwareInformationMismatch")             \
  X(kFirmwareInformationMissing, 401, "FirmwareInformationMissing")               \
  X(kAttestationSignatureInvalid, 500, "AttestationSignatureInvalid")             \
  X(kAttestationElementsMalformed, 501, "AttestationElementsMalformed")           \
  X(kAttestationNonceMismatch, 502, "AttestationNonceMismatch")                   \
  X(kAttestationSignatureInvalidFormat, 503, "AttestationSignatureInvalidFormat") \
  X(kCdNoKeyId, 600, "CertificationDeclarationNoKeyId")                           \
  X(kCdNoCertificateFound, 601, "CertificationDeclarationNoCertificateFound")     \
  X(kCdInvalidSignature, 602, "CertificationDeclarationInvalidSignature")         \
  X(kCdInvalidFormat, 603, "CertificationDeclarationInvalidFormat")               \
  X(kCdInvalidVendorId, 604, "CertificationDeclarationInvalidVendorId")           \
  X(kCdInvalidProductId, 605, "CertificationDeclarationInvalidProductId")         \
  X(kCdInvalidPaa, 606, "CertificationDeclarationInvalidPAA")                     \
  X(kNoMemory, 700, "NoMemory")                                                   \
  X(kInvalidArgument, 701, "InvalidArgument")                                     \
  X(kInternalError, 702, "InternalError")                                         \
  X(kNotImplemented, 703, "NotImplemented")

enum class AttestationResult : uint16_t {
#define ASSAY_ATTESTATION_ENUM(name, number, text) name = number,
  ASSAY_ATTESTATION_RESULTS(ASSAY_ATTESTATION_ENUM)
#undef ASSAY_ATTESTATION_ENUM
};

// The SDK's spelling, "Success", "DacFormatInvalid", ...; "Unknown" for a number not listed.
std::string_view AttestationResultName(AttestationResult result);

// One thing found wrong. A strict finding is Assay's own rule: commissioners let it pass, an issuer
// should not.
struct Finding {
  AttestationResult result = AttestationResult::kSuccess;
  std::string field;  // e.g. "dac.key_usage", "cd.product_ids"
  std::string rule;   // a sentence for people; holds no secret
  bool strict = false;
};
using Findings = std::vector<Finding>;

}  // namespace assay::matter
