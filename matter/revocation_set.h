// The revocation set commissioners read (SDK generate_revocation_set.py, spec 6.2.4.1): JSON, and
// its lookup.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/attestation_result.h"
#include "matter/certificate.h"
#include "matter/crl.h"

namespace assay::matter {

struct RevocationEntry {
  Bytes issuer_name;              // whole Name
  Bytes issuer_key_id;            // 20 bytes
  std::set<std::string> serials;  // upper hex, even, no leading zero octet
  Bytes crl_signer;               // certificate DER
  std::optional<Bytes> crl_signer_delegator;
};

// Unlike the SDK, which takes a malformed set for "nothing is revoked", a set that cannot be read
// whole is refused: fail closed. Immutable after Parse or Make; thread-safe.
class RevocationSet {
 public:
  static absl::StatusOr<RevocationSet> Parse(std::string_view json);
  static RevocationSet Make(std::vector<RevocationEntry> entries);
  std::string ToJson() const;

  // By (issuer Name, AKID), then serial.
  bool IsRevoked(const Certificate& certificate) const;
  // kSuccess, kDacRevoked (302), kPaiRevoked (202) or kPaiAndDacRevoked (208).
  AttestationResult Check(const Certificate& dac, const Certificate& pai) const;

  const std::vector<RevocationEntry>& entries() const { return entries_; }

 private:
  std::vector<RevocationEntry> entries_;
  std::multimap<std::pair<Bytes, Bytes>, size_t> by_issuer_;
};

// The entry a CRL gives: signature checked under `signer`, entries of other issuers left out.
// `delegator` is the PAA or PAI a delegated signer works for, nullptr for a direct list.
absl::StatusOr<RevocationEntry> RevocationEntryOf(const Crl& crl, const Certificate& signer,
                                                  const Certificate* delegator);

}  // namespace assay::matter
