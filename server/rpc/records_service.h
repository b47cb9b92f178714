// assay.v1.RecordsService: exports with a signed manifest, a device's history, and what is new.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "assay/v1/records.grpc.pb.h"
#include "base/clock.h"
#include "db/records_store.h"
#include "server/ledger/read_tally.h"
#include "server/rpc/audit_service.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

struct RecordsParts {
  std::shared_ptr<db::Store> store;
  std::shared_ptr<db::RecordsStore> records;
  // A text as a note signed by the ledger's key, and the newest checkpoint's note. Both may wait.
  std::function<absl::StatusOr<std::string>(const std::string& text)> sign;
  std::function<absl::StatusOr<std::string>()> checkpoint;
};

// Reading is recorded, and refused while that cannot be done.
class RecordsService final : public Readable<v1::RecordsService> {
 public:
  // References outlive the service.
  RecordsService(const FrontDesk& desk, BlockingPool& pool, const AuditService& audit,
                 RecordsParts parts, ledger::ReadTally& reads, PageTokens tokens,
                 const Clock& clock);

  grpc::ServerWriteReactor<v1::ExportPart>* Export(grpc::CallbackServerContext* context,
                                                   const v1::ExportRequest* request) override;
  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context,
                                       const v1::GetHistoryRequest* request,
                                       v1::GetHistoryResponse* response) override;
  grpc::ServerUnaryReactor* Follow(grpc::CallbackServerContext* context,
                                   const v1::FollowRequest* request,
                                   v1::FollowResponse* response) override;

  // For its streams.
  const AuditService& audit() const { return audit_; }
  const RecordsParts& parts() const { return parts_; }
  ledger::ReadTally& reads() const { return reads_; }
  const Clock& clock() const { return clock_; }

 private:
  absl::StatusOr<std::string> DeviceOf(const access::Caller& caller,
                                       const v1::GetHistoryRequest& request) const;
  absl::StatusOr<v1::GetHistoryResponse> History(const access::Caller& caller,
                                                 const v1::GetHistoryRequest& request) const;
  absl::StatusOr<v1::FollowResponse> FollowOn(const access::Caller& caller,
                                              const v1::FollowRequest& request) const;

  BlockingPool& pool_;
  const AuditService& audit_;
  const RecordsParts parts_;
  ledger::ReadTally& reads_;
  const PageTokens tokens_;
  const Clock& clock_;
};

// Without the role that is shown codes.
access::Caller WithoutCodes(access::Caller caller);

}  // namespace assay::rpc
