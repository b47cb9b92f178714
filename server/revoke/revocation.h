// Revoking devices, lots and PAIs: what AuthorityService does about it, free of gRPC.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "db/revocation_store.h"
#include "db/store.h"
#include "server/access/caller.h"
#include "server/lot/guard.h"
#include "server/revoke/crl_press.h"

namespace assay::revoke {

// Revocation is an act in the store, for ever, and holds from that moment; the lists follow at once
// where the HSM allows and otherwise at the next Round. A reason is required. Changes need the role
// operator. Thread-safe; calls block on the store and the HSM. Revoking a lot or a PAI asks the
// `guard` it is given, or else the object's own.
class Revocation {
 public:
  // `press` and `clock` must outlive the object.
  Revocation(std::shared_ptr<db::Store> store, std::shared_ptr<db::RevocationStore> revocations,
             CrlPress& press, const Clock& clock, lot::Guard guard = {});

  // DEVICE_UNKNOWN. The sealed identity is wiped; a confirmed or scrapped unit is revoked too.
  absl::StatusOr<v1::RevokeResponse> RevokeDevice(const access::Caller& caller,
                                                  const v1::RevokeDeviceRequest& request);
  // LOT_UNKNOWN. Closes the lot; units sealed by tickets that were under way are revoked as well.
  absl::StatusOr<v1::RevokeResponse> RevokeLot(const access::Caller& caller,
                                               const v1::RevokeLotRequest& request,
                                               const lot::Guard* guard = nullptr);
  // PAI_UNKNOWN; PAI_NOT_ACTIVE for one that never had a certificate. Retires the PAI; its devices'
  // check answers 202 from then on.
  absl::StatusOr<v1::RevokeResponse> RevokePai(const access::Caller& caller,
                                               const v1::RevokePaiRequest& request,
                                               const lot::Guard* guard = nullptr);
  absl::StatusOr<v1::CrlIssuer> DelegateCrl(const access::Caller& caller,
                                            const v1::DelegateCrlRequest& request);

  // Reading is the auditor's too; a fresh list is an operator's to ask for.
  absl::StatusOr<v1::Crl> GetCrl(const access::Caller& caller, const v1::GetCrlRequest& request);
  absl::StatusOr<v1::ListCrlIssuersResponse> ListCrlIssuers(const access::Caller& caller);
  // As crl_texts.h tells.
  absl::StatusOr<v1::GetRevocationSetResponse> GetRevocationSet(const access::Caller& caller);
  absl::StatusOr<v1::GetDistributionPointsResponse> GetDistributionPoints(
      const access::Caller& caller, const v1::GetDistributionPointsRequest& request);

  // What housekeeping does every minute: revokes what revoked lots have sealed since, signs the
  // lists that are due.
  absl::Status Round();

 private:
  absl::Status Ask(const lot::Guard* guard, const access::Caller& caller,
                   const google::protobuf::Message& request, const lot::GuardedEffect& effect,
                   db::Act& act) const;
  absl::StatusOr<uint64_t> Sweep(const std::string& lot);
  absl::StatusOr<v1::CrlIssuer> Describe(const Issuer& issuer);

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::RevocationStore> revocations_;
  CrlPress& press_;
  const Clock& clock_;
  const lot::Guard guard_;
};

}  // namespace assay::revoke
