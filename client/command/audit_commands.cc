#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "assay/v1/audit.grpc.pb.h"
#include "assay/v1/records.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/numbers.h"
#include "client/show.h"

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

// Hex digits of a flag.
absl::StatusOr<std::string> HexOf(const char* flag, const std::string& text) {
  const auto bytes = FromHex(text);
  if (!bytes.ok() || bytes->empty()) {
    return RefuseField(Reason::FIELD_MALFORMED, flag, text, "must be hex digits");
  }
  return ToText(*bytes);
}

}  // namespace

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
  filter.set_serial_number_from(options.serial_from);
  filter.set_serial_number_until(options.serial_until);
  if (!options.dac_serial.empty()) {
    const auto serial = HexOf("--dac-serial", options.dac_serial);
    if (!serial.ok()) return serial.status();
    filter.set_dac_serial(*serial);
  }
  if (!options.dac_skid.empty()) {
    const auto skid = HexOf("--dac-skid", options.dac_skid);
    if (!skid.ok()) return skid.status();
    filter.set_dac_skid(*skid);
  }
  return filter;
}

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
  v1::GetHistoryRequest request;
  if (!options.device_id.empty()) {
    request.set_device_id(options.device_id);
  } else if (!options.dac_serial.empty()) {
    const auto serial = HexOf("--dac-serial", options.dac_serial);
    if (!serial.ok()) return serial.status();
    request.set_dac_serial(*serial);
  } else if (!options.dac_skid.empty()) {
    const auto skid = HexOf("--dac-skid", options.dac_skid);
    if (!skid.ok()) return skid.status();
    request.set_dac_skid(*skid);
  } else if (!options.serial_number.empty()) {
    request.mutable_serial_number()->set_lot(options.lot);
    request.mutable_serial_number()->set_serial_number(options.serial_number);
  } else {
    return RefuseField(Reason::FIELD_REQUIRED, "device", "",
                       "give its id, --dac-serial, --dac-skid or --serial-number");
  }
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::RecordsService::NewStub((*connection)->channel());
  const auto history = (*connection)->Call(*stub, &v1::RecordsService::Stub::GetHistory, request);
  if (!history.ok()) return history.status();
  if (context.json()) {
    context.PrintMessage(*history);
    return absl::OkStatus();
  }
  context.PrintMessage(history->device());
  std::vector<std::vector<std::string>> rows;
  for (const v1::HistoryEvent& event : history->events()) {
    rows.push_back({Stamp(event.at()), event.what(), event.actor(),
                    event.has_ledger_index() ? absl::StrCat(event.ledger_index()) : "",
                    event.detail()});
  }
  context.Print("\n" + RenderTable({"when", "what", "who", "ledger", "detail"}, rows));
  return absl::OkStatus();
}

absl::Status WatchRecords(Context& context, const AuditOptions& options) {
  auto filter = FilterOf(options);
  if (!filter.ok()) return filter.status();
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::RecordsService::NewStub((*connection)->channel());
  v1::FollowRequest request;
  *request.mutable_filter() = *std::move(filter);
  request.set_limit(1000);
  uint64_t seen = 0;
  context.Remark("watching; Ctrl-C ends it");
  while (true) {
    const auto answer = (*connection)->Call(*stub, &v1::RecordsService::Stub::Follow, request);
    if (!answer.ok()) return answer.status();
    const bool moved = answer->position() != request.position();
    request.set_position(answer->position());
    for (const v1::FollowedEvent& event : answer->events()) {
      const v1::ManifestRow& row = event.device();
      context.Print(context.json()
                        ? MessageJsonLine(event) + "\n"
                        : absl::StrFormat("%s  %-14s %-12s %-12s %-20s %s\n", Stamp(event.at()),
                                          event.what(), row.lot(), row.line(), row.serial_number(),
                                          row.device_id()));
      if (++seen == options.events) return absl::OkStatus();
    }
    if (!moved || answer->events().empty()) {
      WaitConnecting(*(*connection)->channel(), std::chrono::milliseconds(options.pause_ms));
    }
  }
}

}  // namespace assay::client
