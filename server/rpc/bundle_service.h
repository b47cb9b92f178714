// BundleService: a lot's sealed units, streamed, and the signature over a bundle's list.
#pragma once

#include "assay/v1/bundle.grpc.pb.h"
#include "server/issue/bundle.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class BundleService final : public Readable<v1::BundleService> {
 public:
  // All outlive the service.
  BundleService(const FrontDesk& desk, BlockingPool& pool, issue::Bundler& bundler);

  grpc::ServerWriteReactor<v1::FetchLotResponse>* FetchLot(
      grpc::CallbackServerContext* context, const v1::FetchLotRequest* request) override;

 private:
  grpc::ServerReadReactor<grpc::ByteBuffer>* ReadBundle(grpc::CallbackServerContext* context,
                                                        v1::SignBundleResponse* response);

  BlockingPool& pool_;
  issue::Bundler& bundler_;
};

}  // namespace assay::rpc
