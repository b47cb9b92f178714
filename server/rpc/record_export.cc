#include "server/rpc/record_export.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/refusal.h"
#include "server/rpc/export_text.h"

namespace assay::rpc {
namespace {

constexpr size_t kPageRows = 500;

}  // namespace

RecordExport::RecordExport(const RecordsService& service, BlockingPool& pool,
                           std::shared_ptr<Call> call, v1::ExportRequest request)
    : service_(service),
      pool_(pool),
      call_(std::move(call)),
      request_(std::move(request)),
      filter_(ReadDeviceFilter(request_.filter())) {
  call_->About("", request_.filter().lot());
  EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr);
}

absl::Status RecordExport::CheckRequest() {
  ASSAY_RETURN_IF_ERROR(call_->admitted());
  ASSAY_RETURN_IF_ERROR(filter_.status());
  if (request_.format() != v1::EXPORT_FORMAT_CSV &&
      request_.format() != v1::EXPORT_FORMAT_JSON_LINES) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "format", std::to_string(request_.format()),
                       "must be CSV or JSON_LINES");
  }
  if (request_.codes()) ASSAY_RETURN_IF_ERROR(call_->caller().CheckRole(access::Role::kCodes));
  return service_.reads().Gate();
}

void RecordExport::Start() {
  if (const absl::Status refusal = CheckRequest(); !refusal.ok()) return End(refusal);
  reader_ = request_.codes() ? call_->caller() : WithoutCodes(call_->caller());
  filter_->granted = db::GrantedLots{reader_.factories, reader_.lots};
  OnPool(&RecordExport::Begin);
}

void RecordExport::OnPool(void (RecordExport::*work)()) {
  const bool accepted = pool_.Run([this, work] {
    if (gone_) return End(absl::CancelledError("the caller has gone"));
    (this->*work)();
  });
  if (!accepted) End(Refuse(Reason::OVERLOADED, "too many calls wait already"));
}

void RecordExport::Begin() {
  const auto total = service_.parts().records->CountDevices(*filter_);
  if (!total.ok()) return End(total.status());
  begun_ = true;
  part_.mutable_begin()->set_total(*total);
  StartWrite(&part_);
}

void RecordExport::WritePage() {
  const bool csv = request_.format() == v1::EXPORT_FORMAT_CSV;
  std::string text = csv && last_row_ == 0 ? CsvHead(request_.codes()) : "";
  const auto page = service_.audit().ReadPage(reader_, *filter_, last_row_, kPageRows);
  if (!page.ok()) return End(page.status());
  for (const v1::ManifestRow& row : page->rows) {
    if (csv) {
      AppendCsv(row, request_.codes(), text);
    } else {
      AppendJsonLine(row, request_.codes(), text);
    }
  }
  last_row_ = page->last_row;
  rows_ += page->rows.size();
  bytes_ += text.size();
  EVP_DigestUpdate(digest_.get(), text.data(), text.size());
  next_ = page->more ? Next::kPage : Next::kManifest;
  part_.Clear();
  part_.mutable_text()->set_rows(static_cast<uint32_t>(page->rows.size()));
  part_.mutable_text()->set_text(std::move(text));
  StartWrite(&part_);
}

absl::StatusOr<std::string> RecordExport::SignedManifest() {
  Sha256Digest sum{};
  EVP_DigestFinal_ex(digest_.get(), sum.data(), nullptr);
  const auto checkpoint = service_.parts().checkpoint();
  if (!checkpoint.ok()) return checkpoint.status();
  const nlohmann::json manifest = {
      {"bytes", bytes_},
      {"checkpoint", *checkpoint},
      {"codes", request_.codes()},
      {"filter", nlohmann::json::parse(FilterText(request_.filter()), nullptr, false)},
      {"format", request_.format() == v1::EXPORT_FORMAT_CSV ? "csv" : "jsonl"},
      {"read_at",
       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", service_.clock().Now(), absl::UTCTimeZone())},
      {"reader", reader_.uri},
      {"rows", rows_},
      {"sha256", ToHex(sum)}};
  return service_.parts().sign(
      "assay.export/v1\n" +
      manifest.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RecordExport::WriteManifest() {
  auto manifest = SignedManifest();
  if (!manifest.ok()) return End(manifest.status());
  next_ = Next::kFinish;
  part_.Clear();
  part_.mutable_end()->set_manifest(*std::move(manifest));
  StartWrite(&part_);
}

void RecordExport::OnWriteDone(bool ok) {
  if (!ok || gone_) return End(absl::CancelledError("the caller has gone"));
  switch (next_) {
    case Next::kPage:
      return OnPool(&RecordExport::WritePage);
    case Next::kManifest:
      return OnPool(&RecordExport::WriteManifest);
    case Next::kFinish:
      return End(absl::OkStatus());
  }
}

// What was given out before the caller left is recorded too.
void RecordExport::End(const absl::Status& status) {
  if (begun_) {
    service_.reads().Count(
        call_->caller().uri,
        request_.codes() ? "RecordsService/Export with codes" : "RecordsService/Export",
        FilterText(request_.filter()), rows_);
  }
  Finish(call_->End(status));
}

}  // namespace assay::rpc
