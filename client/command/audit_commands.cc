#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "assay/v1/audit.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/files.h"
#include "client/numbers.h"
#include "client/show.h"
#include "image/csv.h"

namespace assay::client {
namespace {

using Audit = v1::AuditService::Stub;

std::string Stamp(const google::protobuf::Timestamp& stamp) {
  if (stamp.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(stamp.seconds()),
                          absl::UTCTimeZone());
}

std::string StateWord(v1::DeviceState state) {
  const auto* value = v1::DeviceState_descriptor()->FindValueByNumber(state);
  return value == nullptr ? "" : EnumWord(*value);
}

absl::StatusOr<v1::DeviceFilter> FilterOf(const AuditOptions& options) {
  v1::DeviceFilter filter;
  filter.set_lot(options.lot);
  filter.set_product(options.product);
  filter.set_factory(options.factory);
  filter.set_line(options.line);
  filter.set_serial_number(options.serial_number);
  if (!options.state.empty()) {
    for (int i = 0; i < v1::DeviceState_descriptor()->value_count(); ++i) {
      const auto* value = v1::DeviceState_descriptor()->value(i);
      if (EnumWord(*value) == options.state)
        filter.set_state(static_cast<v1::DeviceState>(value->number()));
    }
    if (filter.state() == v1::DEVICE_STATE_UNSPECIFIED) {
      return RefuseField(Reason::FIELD_MALFORMED, "--state", options.state,
                         "must be sealed, provisioned, scrapped or revoked");
    }
  }
  const auto date = [](const char* flag, const std::string& text,
                       google::protobuf::Timestamp* stamp) -> absl::Status {
    const auto time = ParseDate(text);
    if (!time)
      return RefuseField(Reason::FIELD_MALFORMED, flag, text, "must be YYYY-MM-DD[ HH:MM:SS], UTC");
    stamp->set_seconds(absl::ToUnixSeconds(*time));
    return absl::OkStatus();
  };
  if (!options.from.empty())
    ASSAY_RETURN_IF_ERROR(date("--from", options.from, filter.mutable_sealed_from()));
  if (!options.until.empty()) {
    ASSAY_RETURN_IF_ERROR(date("--until", options.until, filter.mutable_sealed_until()));
  }
  return filter;
}

const std::vector<std::string>& ExportHead() {
  static const auto* const kHead = new std::vector<std::string>{
      "device_id",     "ticket",        "lot",          "product",
      "vendor_id",     "product_id",    "factory",      "line",
      "serial_number", "dac_serial",    "dac_sha256",   "public_key_sha256",
      "pai",           "discriminator", "image_sha256", "image_signature",
      "state",         "sealed_at",     "confirmed_at", "passcode",
      "qrcode",        "manualcode"};
  return *kHead;
}

std::string ExportRow(const v1::ManifestRow& row) {
  const bool codes = !row.qr_code().empty();
  const std::vector<std::string> cells = {row.device_id(),
                                          row.ticket(),
                                          row.lot(),
                                          row.product(),
                                          absl::StrFormat("0x%04X", row.vendor_id()),
                                          absl::StrFormat("0x%04X", row.product_id()),
                                          row.factory(),
                                          row.line(),
                                          row.serial_number(),
                                          ToUpperHex(AsBytes(row.dac_serial())),
                                          ToHex(AsBytes(row.dac_sha256())),
                                          ToHex(AsBytes(row.public_key_sha256())),
                                          row.pai(),
                                          absl::StrCat(row.discriminator()),
                                          ToHex(AsBytes(row.image_sha256())),
                                          ToBase64(AsBytes(row.image_signature())),
                                          StateWord(row.state()),
                                          Stamp(row.sealed_at()),
                                          Stamp(row.confirmed_at()),
                                          codes ? absl::StrFormat("%08d", row.passcode()) : "",
                                          row.qr_code(),
                                          row.manual_code()};
  return absl::StrJoin(cells, ",",
                       [](std::string* out, const std::string& cell) {
                         absl::StrAppend(out, image::CsvQuote(cell));
                       }) +
         "\n";
}

}  // namespace

absl::Status ListDevices(Context& context, const AuditOptions& options) {
  auto filter = FilterOf(options);
  if (!filter.ok()) return filter.status();
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::AuditService::NewStub((*connection)->channel());
  v1::ListDevicesRequest request;
  *request.mutable_filter() = *std::move(filter);
  v1::ListDevicesResponse all;
  do {
    request.set_page_size(static_cast<uint32_t>(
        std::min<uint64_t>(1000, options.limit - static_cast<uint64_t>(all.rows_size()))));
    const auto page = (*connection)->Call(*stub, &Audit::ListDevices, request);
    if (!page.ok()) return page.status();
    all.mutable_rows()->MergeFrom(page->rows());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && static_cast<uint64_t>(all.rows_size()) < options.limit);
  if (context.json()) {
    context.PrintMessage(all);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::ManifestRow& row : all.rows()) {
    rows.push_back({row.serial_number(), row.lot(), row.line(), StateWord(row.state()),
                    ToUpperHex(AsBytes(row.dac_serial())), Stamp(row.sealed_at()),
                    row.device_id()});
  }
  context.Print(RenderTable(
      {"serial number", "lot", "line", "state", "DAC serial", "sealed", "device"}, rows));
  if (!request.page_token().empty()) {
    context.Remark(
        absl::StrCat("only the first ", all.rows_size(), " are shown; --limit shows more"));
  }
  return absl::OkStatus();
}

absl::Status ShowDevice(Context& context, const AuditOptions& options) {
  v1::GetDeviceRequest request;
  if (options.dac_serial.empty()) {
    request.set_device_id(options.device_id);
  } else {
    const auto serial = FromHex(options.dac_serial);
    if (!serial.ok()) {
      return RefuseField(Reason::FIELD_MALFORMED, "--dac-serial", options.dac_serial,
                         "must be hex digits");
    }
    request.set_dac_serial(ToText(*serial));
  }
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::AuditService::NewStub((*connection)->channel());
  const auto row = (*connection)->Call(*stub, &Audit::GetDevice, request);
  if (!row.ok()) return row.status();
  context.PrintMessage(*row);
  return absl::OkStatus();
}

absl::Status ExportManifest(Context& context, const AuditOptions& options) {
  auto filter = FilterOf(options);
  if (!filter.ok()) return filter.status();
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::AuditService::NewStub((*connection)->channel());
  v1::ExportManifestRequest request;
  *request.mutable_filter() = *std::move(filter);
  grpc::ClientContext call;
  const auto reader = stub->ExportManifest(&call, request);
  const bool csv = options.format == "csv";
  std::string text = csv ? absl::StrCat(absl::StrJoin(ExportHead(), ","), "\n") : "";
  uint64_t count = 0;
  v1::ManifestRow row;
  // A file appears whole or not at all; standard output gets the rows as they come.
  const bool to_file = !options.out.empty();
  while (reader->Read(&row)) {
    ++count;
    absl::StrAppend(&text, csv ? ExportRow(row) : MessageJsonLine(row) + "\n");
    if (!to_file) {
      context.Print(text);
      text.clear();
    }
  }
  ASSAY_RETURN_IF_ERROR(FromGrpc(reader->Finish()));
  if (!to_file) {
    context.Print(text);
    return absl::OkStatus();
  }
  ASSAY_RETURN_IF_ERROR(ReplaceFile(options.out, AsBytes(text), kPrivateFile));
  context.Remark(absl::StrCat(count, " rows in ", options.out));
  return absl::OkStatus();
}

}  // namespace assay::client
