// assay.v1.LedgerService: reads the ledger, writes nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "db/store.h"
#include "server/ledger/archive.h"
#include "server/ledger/refusal_tally.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/readable.h"
#include "tlog/note.h"

namespace assay::rpc {

class LedgerService final : public Readable<v1::LedgerService> {
 public:
  using AskKey = std::function<absl::StatusOr<tlog::NoteKey>()>;

  LedgerService(const FrontDesk& desk, BlockingPool& pool, std::shared_ptr<db::Store> store,
                std::shared_ptr<db::LedgerStore> ledger, AskKey key);

  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const v1::GetCheckpointRequest* request,
                                          v1::GetCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetInclusionProof(grpc::CallbackServerContext* context,
                                              const v1::GetInclusionProofRequest* request,
                                              v1::GetInclusionProofResponse* response) override;
  grpc::ServerUnaryReactor* GetConsistencyProof(grpc::CallbackServerContext* context,
                                                const v1::GetConsistencyProofRequest* request,
                                                v1::GetConsistencyProofResponse* response) override;
  grpc::ServerUnaryReactor* GetReceipts(grpc::CallbackServerContext* context,
                                        const v1::GetReceiptsRequest* request,
                                        v1::GetReceiptsResponse* response) override;
  grpc::ServerUnaryReactor* ReadTile(grpc::CallbackServerContext* context,
                                     const v1::ReadTileRequest* request,
                                     v1::ReadTileResponse* response) override;
  grpc::ServerUnaryReactor* ReadEntries(grpc::CallbackServerContext* context,
                                        const v1::ReadEntriesRequest* request,
                                        v1::ReadEntriesResponse* response) override;

 private:
  absl::StatusOr<v1::GetCheckpointResponse> Checkpoint(uint64_t size);
  absl::StatusOr<std::string> DeviceOf(const access::Caller& caller,
                                       const v1::GetReceiptsRequest& request) const;
  absl::StatusOr<v1::GetReceiptsResponse> Receipts(const access::Caller& caller,
                                                   const v1::GetReceiptsRequest& request);
  absl::StatusOr<v1::ReadTileResponse> Tile(const v1::ReadTileRequest& request);
  absl::StatusOr<v1::ReadEntriesResponse> Entries(const access::Caller& caller,
                                                  const v1::ReadEntriesRequest& request);

  BlockingPool& pool_;
  const std::shared_ptr<db::Store> store_;
  ledger::Archive archive_;
  const AskKey key_;
};

// Passes every call's end on, and counts the refusals of authority for the ledger.
class RefusalWatch final : public CallObserver {
 public:
  RefusalWatch(CallObserver& next, ledger::RefusalTally& tally) : next_(next), tally_(tally) {}
  void CallEnded(std::string_view method, std::string_view outcome,
                 std::chrono::nanoseconds took) override {
    next_.CallEnded(method, outcome, took);
  }
  void CallRefused(std::string_view caller, std::string_view method, Reason reason) override {
    if (ledger::IsOfAuthority(reason)) tally_.Count(caller, method, reason);
    next_.CallRefused(caller, method, reason);
  }

 private:
  CallObserver& next_;
  ledger::RefusalTally& tally_;
};

}  // namespace assay::rpc
