// The check at the end of the line (docs/security.md): does the unit hold what was issued to it,
// and would a commissioner take it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/issuance.pb.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/revocation_store.h"
#include "db/store.h"
#include "matter/attestation.h"
#include "server/access/caller.h"

namespace assay::revoke {

struct VerificationOptions {
  bool production = false;          // no declaration by a test signer
  std::vector<Bytes> trusted_paas;  // DER, the sandbox's too
  matter::CdSignerSet cd_signers;
  std::chrono::seconds lifetime{120};  // from Begin to the last Finish
};

// Nonce and challenge are kept in the store, so that any replica finishes what another began.
// Callers need a grant on the device's lot. Thread-safe; calls block on the store.
class Verification {
 public:
  // PAA_UNTRUSTED where a trusted PAA does not fit its role. `random` and `clock` must outlive the
  // object.
  static absl::StatusOr<std::unique_ptr<Verification>> Make(
      std::shared_ptr<db::Store> store, std::shared_ptr<db::RevocationStore> revocations,
      Random& random, const Clock& clock, VerificationOptions options);

  // DEVICE_UNKNOWN, TICKET_UNKNOWN, LOT_NOT_GRANTED.
  absl::StatusOr<v1::BeginVerificationResponse> Begin(const access::Caller& caller,
                                                      const v1::BeginVerificationRequest& request);

  // A device that fails is an answer, not a refusal. Refused: VERIFICATION_UNKNOWN for a
  // verification that is not there or has expired, FIELDS_CONTRADICT for one of another device,
  // REQUEST_CONFLICT for one that was ended with other evidence.
  absl::StatusOr<v1::VerifyDeviceResponse> Finish(const access::Caller& caller,
                                                  const v1::VerifyDeviceRequest& request);

 private:
  Verification(std::shared_ptr<db::Store> store, std::shared_ptr<db::RevocationStore> revocations,
               Random& random, const Clock& clock, VerificationOptions options)
      : store_(std::move(store)),
        revocations_(std::move(revocations)),
        random_(random),
        clock_(clock),
        options_(std::move(options)) {}

  absl::StatusOr<db::ManifestRow> FindUnit(const access::Caller& caller,
                                           const v1::BeginVerificationRequest& request);
  absl::StatusOr<v1::VerifyDeviceResponse> Judge(const db::Verification& begun,
                                                 const db::ManifestRow& row,
                                                 const v1::VerifyDeviceRequest& request);

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::RevocationStore> revocations_;
  Random& random_;
  const Clock& clock_;
  const VerificationOptions options_;
  matter::PaaTrustStore paas_;
};

}  // namespace assay::revoke
