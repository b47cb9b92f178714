// Leases of a lot, and its account.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "assay/v1/lot.pb.h"
#include "db/lease_store.h"
#include "db/records_store.h"
#include "db/store.h"
#include "server/access/caller.h"

namespace assay::lot {

// Thread-safe; calls block on the store.
class LotDesk {
 public:
  LotDesk(std::shared_ptr<db::Store> store, std::shared_ptr<db::LotLeaseStore> leases,
          std::shared_ptr<db::RecordsStore> records);

  absl::StatusOr<v1::LotLease> GrantLease(const access::Caller& caller,
                                          const v1::GrantLeaseRequest& request);
  absl::StatusOr<v1::LotLease> ReleaseLease(const access::Caller& caller,
                                            const v1::ReleaseLeaseRequest& request);
  absl::StatusOr<v1::ListLeasesResponse> ListLeases(const access::Caller& caller,
                                                    const v1::ListLeasesRequest& request);
  absl::StatusOr<v1::ReconcileLotResponse> ReconcileLot(const access::Caller& caller,
                                                        const v1::ReconcileLotRequest& request);

 private:
  absl::Status CheckLot(const access::Caller& caller, const std::string& name);

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::LotLeaseStore> leases_;
  const std::shared_ptr<db::RecordsStore> records_;
};

}  // namespace assay::lot
