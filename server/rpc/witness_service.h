// assay.v1.WitnessService: keeps and shows what witnesses sign.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/witness.grpc.pb.h"
#include "db/store.h"
#include "db/witness_store.h"
#include "server/ledger/archive.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"
#include "tlog/note.h"

namespace assay::rpc {

class WitnessService final : public Readable<v1::WitnessService> {
 public:
  using AskKey = std::function<absl::StatusOr<tlog::NoteKey>()>;

  WitnessService(const FrontDesk& desk, BlockingPool& pool, std::shared_ptr<db::Store> store,
                 std::shared_ptr<db::LedgerStore> ledger,
                 std::shared_ptr<db::WitnessStore> witnesses, AskKey key);

  grpc::ServerUnaryReactor* AddCosignature(grpc::CallbackServerContext* context,
                                           const v1::AddCosignatureRequest* request,
                                           v1::AddCosignatureResponse* response) override;
  grpc::ServerUnaryReactor* GetCosignedCheckpoint(
      grpc::CallbackServerContext* context, const v1::GetCosignedCheckpointRequest* request,
      v1::GetCosignedCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetCosignedReceipts(grpc::CallbackServerContext* context,
                                                const v1::GetCosignedReceiptsRequest* request,
                                                v1::GetReceiptsResponse* response) override;

 private:
  absl::StatusOr<v1::AddCosignatureResponse> Add(const access::Caller& caller,
                                                 const v1::AddCosignatureRequest& request);
  absl::StatusOr<db::CosignedCheckpoint> Newest(uint32_t least);
  absl::StatusOr<v1::GetReceiptsResponse> Receipts(const access::Caller& caller,
                                                   const v1::GetCosignedReceiptsRequest& request);

  BlockingPool& pool_;
  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::WitnessStore> witnesses_;
  ledger::Archive archive_;
  const AskKey key_;
};

}  // namespace assay::rpc
