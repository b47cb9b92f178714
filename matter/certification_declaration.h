// Certification Declarations (spec 6.3.1): the TLV, its CMS envelope, who may sign, and what it
// covers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/attestation_result.h"
#include "matter/certificate.h"
#include "matter/ecdsa.h"

namespace assay::matter {

// The SDK's published test signer; production refuses it by this key id.
inline constexpr KeyId kTestCdSignerKeyId{0x62, 0xFA, 0x82, 0x33, 0x59, 0xAC, 0xFA,
                                          0xA9, 0x96, 0x3E, 0x1C, 0xFA, 0x14, 0x0A,
                                          0xDD, 0xF5, 0x04, 0xF3, 0x71, 0x60};
inline constexpr size_t kMaxCdContentSize = 607;
inline constexpr size_t kMaxCdSize = 790;
inline constexpr size_t kMaxCdProducts = 100;
inline constexpr size_t kMaxCdPaas = 10;

struct CertificationDeclaration {
  enum Type : uint8_t { kDevelopment = 0, kProvisional = 1, kOfficial = 2 };
  uint16_t format_version = 1;
  uint16_t vendor_id = 0;
  std::vector<uint16_t> product_ids;  // 1..100
  uint32_t device_type_id = 0;
  std::string certificate_id;  // exactly 19 bytes
  uint8_t security_level = 0;
  uint16_t security_information = 0;
  uint16_t version_number = 0;
  uint8_t certification_type = kDevelopment;
  std::optional<uint16_t> dac_origin_vendor_id;  // both or neither
  std::optional<uint16_t> dac_origin_product_id;
  std::optional<std::vector<KeyId>> authorized_paas;  // 1..10

  friend bool operator==(const CertificationDeclaration&,
                         const CertificationDeclaration&) = default;
};

// CD_MALFORMED where a field cannot be written or read.
absl::StatusOr<Bytes> EncodeCdContent(const CertificationDeclaration& cd);
absl::StatusOr<CertificationDeclaration> DecodeCdContent(ByteView tlv);

// The envelope of 2.1, read strictly. Views point into the input.
struct CdEnvelope {
  KeyId signer_key_id{};
  ByteView content;  // the TLV
  ByteView signature_der;
};
absl::StatusOr<CdEnvelope> ParseCdEnvelope(ByteView cms);
// Only the signer's key id; a refusal where the CMS or the id cannot be read (SDK: 600).
absl::StatusOr<KeyId> CdSignerKeyId(ByteView cms);
// What the signer signs (SHA-256) is the TLV itself; this wraps it with r||s.
Bytes AssembleCd(ByteView content, const KeyId& signer_key_id, ByteView raw_signature);

// Who may sign. Built at start-up, then read by many threads.
class CdSignerSet {
 public:
  // Key id is the certificate's SKID, which must be 20 bytes. CD_UNTRUSTED where the certificate is
  // unfit.
  absl::Status Add(const Certificate& certificate, bool is_test);
  // The SDK's published test signer, whose key everybody has: for sandboxes.
  void AddSdkTestSigner();
  struct Signer {
    SignatureVerifier key;
    bool is_test = false;
  };
  const Signer* Find(const KeyId& key_id) const;
  size_t size() const { return signers_.size(); }

 private:
  std::map<KeyId, Signer> signers_;
};

struct CdTrust {
  const CdSignerSet* signers = nullptr;
  bool allow_test_signer =
      false;  // sandbox; an official CD (type 2) by a test signer is refused even then
};

struct VerifiedCd {
  CertificationDeclaration cd;
  bool by_test_signer = false;
};
// Signature and content. CD_MALFORMED, CD_UNTRUSTED or CD_SIGNATURE.
absl::StatusOr<VerifiedCd> VerifyCd(ByteView cms, const CdTrust& trust);
// The same in the SDK's numbers (600..603, 501); `cd` is filled whenever the content could be read.
AttestationResult VerifyCdAsSdk(ByteView cms, const CdTrust& trust,
                                std::optional<CertificationDeclaration>& cd);

// The device a CD is held against (2.3). The DAC and PAI pair may differ from BasicInformation for
// white labels.
struct CdSubject {
  uint16_t basic_info_vid = 0;
  uint16_t basic_info_pid = 0;
  uint16_t dac_vid = 0;
  uint16_t dac_pid = 0;
  uint16_t pai_vid = 0;
  std::optional<uint16_t> pai_pid;
  std::optional<KeyId>
      paa_key_id;  // nothing: the PAA is unknown, and a CD with a PAA list is refused
};
// What the product record says of fields that commissioners ignore; each is compared where given.
struct CdRecord {
  std::optional<uint32_t> device_type_id;
  std::optional<std::string> certificate_id;
  std::optional<uint16_t> version_number;
  bool security_fields_zero = true;
};

// Rules 2.3 (3..5) in the SDK's order; the first finding is the SDK's result.
Findings MatchCd(const CertificationDeclaration& cd, const CdSubject& subject);
// Fields a commissioner ignores and an issuer should not; findings are strict, result
// kCdInvalidFormat.
Findings MatchCdRecord(const CertificationDeclaration& cd, const CdRecord& record);
// OK, or CD_MISMATCH with the first finding.
absl::Status CheckCdCovers(const CertificationDeclaration& cd, const CdSubject& subject);

}  // namespace assay::matter
