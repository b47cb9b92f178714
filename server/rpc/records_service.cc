#include "server/rpc/records_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/lot/act.h"
#include "server/rpc/record_export.h"
#include "server/rpc/unary.h"

namespace assay::rpc {
namespace {

constexpr uint32_t kUsualEvents = 100, kMostEvents = 1000;
constexpr size_t kSkidBytes = 20;

void SetTime(absl::Time time, google::protobuf::Timestamp* stamp) {
  stamp->set_seconds(absl::ToUnixSeconds(time));
  stamp->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(stamp->seconds()))));
}

absl::Status NoSuchDevice(const char* field, const std::string& value) {
  return RefuseField(Reason::DEVICE_UNKNOWN, field, value, "no such device");
}

}  // namespace

access::Caller WithoutCodes(access::Caller caller) {
  caller.roles.erase(access::Role::kCodes);
  return caller;
}

RecordsService::RecordsService(const FrontDesk& desk, BlockingPool& pool, const AuditService& audit,
                               RecordsParts parts, ledger::ReadTally& reads, PageTokens tokens,
                               const Clock& clock)
    : Readable(desk),
      pool_(pool),
      audit_(audit),
      parts_(std::move(parts)),
      reads_(reads),
      tokens_(std::move(tokens)),
      clock_(clock) {
  Serve("Export", &RecordsService::Export);
  Serve("GetHistory", &RecordsService::GetHistory);
  Serve("Follow", &RecordsService::Follow);
}

absl::StatusOr<std::string> RecordsService::DeviceOf(const access::Caller& caller,
                                                     const v1::GetHistoryRequest& request) const {
  db::DeviceFilter filter;
  filter.granted = db::GrantedLots{caller.factories, caller.lots};
  const char* field = "";
  std::string value;
  switch (request.by_case()) {
    case v1::GetHistoryRequest::kDeviceId:
      ASSAY_RETURN_IF_ERROR(lot::CheckGiven("device_id", request.device_id()));
      return request.device_id();
    case v1::GetHistoryRequest::kDacSerial:
      field = "dac_serial";
      value = ToUpperHex(AsBytes(request.dac_serial()));
      ASSAY_RETURN_IF_ERROR(lot::CheckGiven(field, value));
      filter.dac_serial = ToBytes(AsBytes(request.dac_serial()));
      break;
    case v1::GetHistoryRequest::kDacSkid:
      field = "dac_skid";
      value = ToHex(AsBytes(request.dac_skid()));
      if (request.dac_skid().size() != kSkidBytes) {
        return RefuseField(Reason::FIELD_MALFORMED, field, value, "must be 20 bytes");
      }
      filter.dac_skid = ToBytes(AsBytes(request.dac_skid()));
      break;
    case v1::GetHistoryRequest::kSerialNumber:
      field = "serial_number.serial_number";
      value = request.serial_number().serial_number();
      ASSAY_RETURN_IF_ERROR(lot::CheckGiven(field, value));
      filter.lot = request.serial_number().lot();
      filter.serial_number = request.serial_number().serial_number();
      break;
    default:
      return RefuseField(Reason::FIELD_REQUIRED, "by", "",
                         "give device_id, dac_serial, dac_skid or serial_number");
  }
  const auto rows = parts_.store->ListDevices(filter, 0, 2);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NoSuchDevice(field, value);
  if (rows->size() > 1 && rows->front().device_id != rows->back().device_id) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "by", "",
                       "more than one device answers to it; give the device's id");
  }
  return rows->front().device_id;
}

absl::StatusOr<v1::GetHistoryResponse> RecordsService::History(
    const access::Caller& caller, const v1::GetHistoryRequest& request) const {
  ASSAY_RETURN_IF_ERROR(reads_.Gate());
  const auto device_id = DeviceOf(caller, request);
  if (!device_id.ok()) return device_id.status();
  v1::GetDeviceRequest one;
  one.set_device_id(*device_id);
  auto row = audit_.FindDevice(WithoutCodes(caller), one);
  if (!row.ok()) return row.status();
  auto events = parts_.records->FindHistory(*device_id);
  if (!events.ok()) return events.status();
  v1::GetHistoryResponse response;
  *response.mutable_device() = *std::move(row);
  for (db::DeviceEvent& event : *events) {
    v1::HistoryEvent& proto = *response.add_events();
    SetTime(event.at, proto.mutable_at());
    proto.set_what(std::move(event.what));
    proto.set_actor(std::move(event.actor));
    proto.set_detail(std::move(event.detail));
    if (event.ledger_index) proto.set_ledger_index(*event.ledger_index);
  }
  reads_.Count(caller.uri, "RecordsService/GetHistory", absl::StrCat("device=", *device_id), 1);
  return response;
}

absl::StatusOr<v1::FollowResponse> RecordsService::FollowOn(
    const access::Caller& caller, const v1::FollowRequest& request) const {
  ASSAY_RETURN_IF_ERROR(reads_.Gate());
  if (request.limit() > kMostEvents) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "limit", absl::StrCat(request.limit()),
                       "must be 1 to 1000");
  }
  auto filter = ReadDeviceFilter(request.filter());
  if (!filter.ok()) return filter.status();
  filter->granted = db::GrantedLots{caller.factories, caller.lots};
  const std::string query =
      absl::StrCat("Follow\n", caller.uri, "\n", request.filter().SerializeAsString());
  std::optional<uint64_t> from;
  if (!request.position().empty()) {
    const auto position = tokens_.Read(query, request.position());
    if (!position.ok()) {
      return RefuseField(Reason::PAGE_TOKEN_INVALID, "position", "",
                         "must be the position of the same query by the same caller");
    }
    from = static_cast<uint64_t>(*position);
  }
  const uint32_t limit = request.limit() == 0 ? kUsualEvents : request.limit();
  auto followed = parts_.records->Follow(*filter, from, static_cast<int>(limit));
  if (!followed.ok()) return followed.status();
  v1::FollowResponse response;
  for (const db::FollowedDevice& event : followed->events) {
    v1::FollowedEvent& proto = *response.add_events();
    proto.set_ledger_index(event.index);
    SetTime(event.at, proto.mutable_at());
    proto.set_what(event.kind);
    auto row = audit_.Present(WithoutCodes(caller), event.device);
    if (!row.ok()) return row.status();
    *proto.mutable_device() = *std::move(row);
  }
  response.set_position(tokens_.Make(query, static_cast<int64_t>(followed->next)));
  if (!followed->events.empty() || !from) {
    reads_.Count(caller.uri, "RecordsService/Follow", FilterText(request.filter()),
                 followed->events.size());
  }
  return response;
}

grpc::ServerUnaryReactor* RecordsService::GetHistory(grpc::CallbackServerContext* context,
                                                     const v1::GetHistoryRequest* request,
                                                     v1::GetHistoryResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.RecordsService/GetHistory", "", response,
      [this, request](const Call& call) { return History(call.caller(), *request); });
}

grpc::ServerUnaryReactor* RecordsService::Follow(grpc::CallbackServerContext* context,
                                                 const v1::FollowRequest* request,
                                                 v1::FollowResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.RecordsService/Follow", request->filter().lot(), response,
      [this, request](const Call& call) { return FollowOn(call.caller(), *request); });
}

grpc::ServerWriteReactor<v1::ExportPart>* RecordsService::Export(
    grpc::CallbackServerContext* context, const v1::ExportRequest* request) {
  auto* stream = new RecordExport(
      *this, pool_, desk_.Admit(*context, "assay.v1.RecordsService/Export"), *request);
  stream->Start();
  return stream;
}

}  // namespace assay::rpc
