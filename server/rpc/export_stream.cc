#include "server/rpc/export_stream.h"

#include <utility>

#include "base/refusal.h"
#include "server/rpc/wipe_reply.h"

namespace assay::rpc {
namespace {

constexpr size_t kPageRows = 500;

}  // namespace

ExportStream::ExportStream(const AuditService& audit, BlockingPool& pool,
                           std::shared_ptr<Call> call, const v1::DeviceFilter& filter)
    : audit_(audit),
      pool_(pool),
      call_(std::move(call)),
      filter_(ReadDeviceFilter(filter)),
      filter_text_(FilterText(filter)) {
  call_->About("", filter.lot());
}

void ExportStream::Start() {
  if (!call_->admitted().ok()) return End(call_->admitted());
  if (!filter_.ok()) return End(filter_.status());
  if (const absl::Status gate = audit_.Gate(); !gate.ok()) return End(gate);
  FetchPage();
}

void ExportStream::FetchPage() {
  const bool accepted = pool_.Run([this] {
    auto page = audit_.ReadPage(call_->caller(), *filter_, page_.last_row, kPageRows);
    if (!page.ok()) return End(page.status());
    page_ = *std::move(page);
    rows_ += page_.rows.size();
    next_ = 0;
    WriteNext();
  });
  if (!accepted) End(Refuse(Reason::OVERLOADED, "too many calls wait already"));
}

void ExportStream::WriteNext() {
  if (gone_) return End(absl::CancelledError("the caller has gone"));
  if (next_ < page_.rows.size()) return StartWrite(&page_.rows[next_++]);
  if (page_.more) return FetchPage();
  End(absl::OkStatus());
}

void ExportStream::OnWriteDone(bool ok) {
  WipeReply(page_.rows[next_ - 1]);
  if (!ok) return End(absl::CancelledError("the caller has gone"));
  WriteNext();
}

void ExportStream::End(const absl::Status& status) {
  if (rows_ > 0) {
    audit_.CountRead(call_->caller(), "AuditService/ExportManifest", filter_text_, rows_);
  }
  Finish(call_->End(status));
}

}  // namespace assay::rpc
