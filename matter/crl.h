// Certificate revocation lists of PAIs and PAAs (spec 6.2.4): written for the HSM to sign, and
// read. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/certificate.h"

namespace assay::matter {

struct RevokedEntry {
  Bytes serial;  // big-endian magnitude without leading zeros
  absl::Time revoked_at;
  // Whole Name of the certificate's issuer. Written only in indirect lists, where it differs from
  // the entry before; read, it is the issuer in force for this entry (RFC 5280 5.3.3); empty in
  // direct lists.
  Bytes certificate_issuer;
};

struct CrlFields {
  Bytes issuer;  // whole Name of the signer's subject
  absl::Time this_update;
  absl::Time next_update;
  std::vector<RevokedEntry> entries;  // never dropped: DACs do not expire
  Bytes authority_key_id;             // the signer's SKID, 20 bytes
  Bytes crl_number;                   // big-endian magnitude, at most 20 octets
  // Set for a list signed by a delegated signer or partitioned: critical IDP with this URI.
  std::string idp_uri;
  bool indirect = false;  // with idp_uri
};

// v2, ecdsa-with-SHA256; AKI and CRLNumber, then IDP. An empty list leaves revokedCertificates out.
// AssembleCertificate(tbs, raw signature) makes the CRL.
absl::StatusOr<Bytes> EncodeCrlTbs(const CrlFields& fields);

struct Crl {
  Bytes der;
  Bytes tbs;
  CrlFields fields;
  RawSignature signature{};
};
// FIELD_MALFORMED for anything but the profile: v2, an unknown critical extension, a missing AKI or
// number.
absl::StatusOr<Crl> ParseCrl(ByteView der);
// Signature, issuer name == signer's subject, AKI == signer's SKID, signer may sign CRLs.
absl::Status CheckCrlSigner(const Crl& crl, const Certificate& signer);
// Whether `signer` fits a delegated CRL signer (7.2): not a CA, cRLSign (and digitalSignature at
// most), SKID, AKID.
absl::Status CheckDelegatedCrlSigner(const Certificate& signer, const Certificate& issuer);

}  // namespace assay::matter
