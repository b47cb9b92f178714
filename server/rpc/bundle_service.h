// BundleService: a lot's sealed units, streamed, and the signature over a bundle's list.
#pragma once

#include "assay/v1/bundle.grpc.pb.h"
#include "server/issue/bundle.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/front_desk.h"

namespace assay::rpc {

class BundleService final : public v1::BundleService::CallbackService {
 public:
  // All outlive the service.
  BundleService(const FrontDesk& desk, BlockingPool& pool, issue::Bundler& bundler)
      : desk_(desk), pool_(pool), bundler_(bundler) {}

  grpc::ServerWriteReactor<v1::FetchLotResponse>* FetchLot(
      grpc::CallbackServerContext* context, const v1::FetchLotRequest* request) override;
  grpc::ServerReadReactor<v1::SignBundleRequest>* SignBundle(
      grpc::CallbackServerContext* context, v1::SignBundleResponse* response) override;

 private:
  const FrontDesk& desk_;
  BlockingPool& pool_;
  issue::Bundler& bundler_;
};

}  // namespace assay::rpc
