// One Export: the count, then a page from the store and its text, again and again, then the signed
// manifest.
#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <memory>
#include <string>

#include "grpcpp/support/server_callback.h"
#include "server/rpc/records_service.h"

namespace assay::rpc {

// Owns itself; gone in OnDone. There is always exactly one thing under way (work on the pool, or a
// write), and Finish follows the last, so no lock is needed but for the caller's leaving. Holds one
// page at a time, whatever the export's size.
class RecordExport final : public grpc::ServerWriteReactor<v1::ExportPart> {
 public:
  RecordExport(const RecordsService& service, BlockingPool& pool, std::shared_ptr<Call> call,
               v1::ExportRequest request);
  void Start();

  void OnWriteDone(bool ok) override;
  void OnCancel() override { gone_ = true; }
  void OnDone() override { delete this; }

 private:
  enum class Next { kPage, kManifest, kFinish };

  absl::Status CheckRequest();
  void OnPool(void (RecordExport::*work)());
  void Begin();
  void WritePage();
  void WriteManifest();
  void End(const absl::Status& status);
  absl::StatusOr<std::string> SignedManifest();

  const RecordsService& service_;
  BlockingPool& pool_;
  const std::shared_ptr<Call> call_;
  const v1::ExportRequest request_;
  absl::StatusOr<db::DeviceFilter> filter_;
  access::Caller reader_;
  v1::ExportPart part_;
  Next next_ = Next::kPage;
  int64_t last_row_ = 0;
  uint64_t rows_ = 0, bytes_ = 0;
  bool begun_ = false;
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  std::atomic<bool> gone_ = false;
};

}  // namespace assay::rpc
