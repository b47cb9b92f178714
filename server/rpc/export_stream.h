// One ExportManifest: a page from the store, then its rows one write after the other, then the next
// page.
#pragma once

#include <memory>

#include "grpcpp/support/server_callback.h"
#include "server/rpc/audit_service.h"

namespace assay::rpc {

// Owns itself; gone in OnDone. There is always exactly one thing under way (a page on the pool, or
// a write), and Finish follows the last, so no lock is needed but for the caller's leaving.
class ExportStream final : public grpc::ServerWriteReactor<v1::ManifestRow> {
 public:
  ExportStream(const AuditService& audit, BlockingPool& pool, std::shared_ptr<Call> call,
               const v1::DeviceFilter& filter);
  void Start();

  void OnWriteDone(bool ok) override;
  void OnCancel() override { gone_ = true; }
  void OnDone() override { delete this; }

 private:
  void FetchPage();
  void WriteNext();
  void End(const absl::Status& status);

  const AuditService& audit_;
  BlockingPool& pool_;
  const std::shared_ptr<Call> call_;
  absl::StatusOr<db::DeviceFilter> filter_;
  const std::string filter_text_;
  uint64_t rows_ = 0;
  AuditService::Page page_;
  size_t next_ = 0;
  std::atomic<bool> gone_ = false;
};

}  // namespace assay::rpc
