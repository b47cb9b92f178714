// assay.v1.LotService: leases and the account of a lot.
#pragma once

#include "assay/v1/lot.grpc.pb.h"
#include "server/lot/lot_desk.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class LotService final : public Readable<v1::LotService> {
 public:
  // What it is given outlives it.
  LotService(const FrontDesk& desk, BlockingPool& pool, lot::LotDesk& lots);

  grpc::ServerUnaryReactor* GrantLease(grpc::CallbackServerContext* context,
                                       const v1::GrantLeaseRequest* request,
                                       v1::LotLease* response) override;
  grpc::ServerUnaryReactor* ReleaseLease(grpc::CallbackServerContext* context,
                                         const v1::ReleaseLeaseRequest* request,
                                         v1::LotLease* response) override;
  grpc::ServerUnaryReactor* ListLeases(grpc::CallbackServerContext* context,
                                       const v1::ListLeasesRequest* request,
                                       v1::ListLeasesResponse* response) override;
  grpc::ServerUnaryReactor* ReconcileLot(grpc::CallbackServerContext* context,
                                         const v1::ReconcileLotRequest* request,
                                         v1::ReconcileLotResponse* response) override;

 private:
  BlockingPool& pool_;
  lot::LotDesk& lots_;
};

}  // namespace assay::rpc
