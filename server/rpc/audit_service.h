// assay.v1.AuditService: reads the manifest, writes nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/audit.grpc.pb.h"
#include "db/store.h"
#include "server/ledger/read_tally.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/page_token.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

// Fills passcode, qr_code and manual_code of `row` from its encrypted codes. May wait for the
// token.
using OpenRowCodes =
    std::function<absl::Status(const db::ManifestRow& stored, v1::ManifestRow& row)>;

class AuditService final : public Readable<v1::AuditService> {
 public:
  // `open_codes` may be empty: then nobody is shown codes.
  // With `reads`, which outlives the service, reading is recorded, and refused while that cannot be
  // done.
  AuditService(const FrontDesk& desk, BlockingPool& pool, std::shared_ptr<db::Store> store,
               PageTokens tokens, OpenRowCodes open_codes, ledger::ReadTally* reads = nullptr);

  grpc::ServerUnaryReactor* GetDevice(grpc::CallbackServerContext* context,
                                      const v1::GetDeviceRequest* request,
                                      v1::ManifestRow* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const v1::ListDevicesRequest* request,
                                        v1::ListDevicesResponse* response) override;
  grpc::ServerWriteReactor<v1::ManifestRow>* ExportManifest(
      grpc::CallbackServerContext* context, const v1::ExportManifestRequest* request) override;

  struct Page {
    std::vector<v1::ManifestRow> rows;
    int64_t last_row = 0;  // where the next page begins
    bool more = false;
  };
  // The next `size` rows the caller may see, in order.
  absl::StatusOr<Page> ReadPage(const access::Caller& caller, const db::DeviceFilter& filter,
                                int64_t after_row, size_t size) const;
  // As the caller may see it.
  absl::StatusOr<v1::ManifestRow> Present(const access::Caller& caller,
                                          const db::ManifestRow& stored) const;
  // DEVICE_UNKNOWN also for what is not granted.
  absl::StatusOr<v1::ManifestRow> FindDevice(const access::Caller& caller,
                                             const v1::GetDeviceRequest& request) const;
  absl::Status Gate() const { return reads_ == nullptr ? absl::OkStatus() : reads_->Gate(); }
  void CountRead(const access::Caller& caller, std::string_view call, std::string_view filter,
                 uint64_t rows) const {
    if (reads_ != nullptr) reads_->Count(caller.uri, call, filter, rows);
  }

 private:
  absl::StatusOr<v1::ListDevicesResponse> List(const access::Caller& caller,
                                               const v1::ListDevicesRequest& request) const;

  BlockingPool& pool_;
  const std::shared_ptr<db::Store> store_;
  const PageTokens tokens_;
  const OpenRowCodes open_codes_;
  ledger::ReadTally* const reads_;
};

// FIELD_MALFORMED and FIELD_OUT_OF_RANGE for dates and states that are none.
absl::StatusOr<db::DeviceFilter> ReadDeviceFilter(const v1::DeviceFilter& filter);
// The filter as JSON on one line, for records of who read what.
std::string FilterText(const v1::DeviceFilter& filter);

}  // namespace assay::rpc
