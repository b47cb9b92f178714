#include "server/rpc/audit_service.h"

#include <utility>

#include "absl/time/time.h"
#include "base/refusal.h"
#include "google/protobuf/util/json_util.h"
#include "server/lot/act.h"
#include "server/rpc/export_stream.h"
#include "server/rpc/unary.h"

namespace assay::rpc {
namespace {

constexpr uint32_t kUsualPage = 100;
// Rows read from the store at a time; a caller with a narrow grant may see only some of them.
constexpr int kStoreRows = 1000;

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  stamp.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(stamp.seconds()))));
  return stamp;
}

absl::StatusOr<absl::Time> ReadTime(const char* field, const google::protobuf::Timestamp& stamp) {
  constexpr int64_t kFirstSecond = -62135596800,
                    kLastSecond = 253402300799;  // 0001-01-01 to 9999-12-31
  if (stamp.seconds() < kFirstSecond || stamp.seconds() > kLastSecond || stamp.nanos() < 0 ||
      stamp.nanos() > 999'999'999) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, field,
                       absl::StrCat(stamp.seconds(), " s and ", stamp.nanos(), " ns since 1970"),
                       "must lie in the years 1 to 9999");
  }
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

// What a page token is bound to.
std::string QueryText(const access::Caller& caller, const v1::DeviceFilter& filter) {
  return "ListDevices\n" + caller.uri + "\n" + filter.SerializeAsString();
}

}  // namespace

absl::StatusOr<db::DeviceFilter> ReadDeviceFilter(const v1::DeviceFilter& filter) {
  db::DeviceFilter read;
  read.lot = filter.lot();
  read.product = filter.product();
  read.factory = filter.factory();
  read.line = filter.line();
  read.serial_number = filter.serial_number();
  if (!v1::DeviceState_IsValid(filter.state())) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "filter.state", std::to_string(filter.state()),
                       "must be a DeviceState");
  }
  if (filter.state() != v1::DEVICE_STATE_UNSPECIFIED) {
    read.state = static_cast<db::DeviceState>(filter.state());
  }
  if (filter.has_sealed_from()) {
    auto time = ReadTime("filter.sealed_from", filter.sealed_from());
    if (!time.ok()) return time.status();
    read.sealed_from = *time;
  }
  if (filter.has_sealed_until()) {
    auto time = ReadTime("filter.sealed_until", filter.sealed_until());
    if (!time.ok()) return time.status();
    read.sealed_until = *time;
  }
  if (read.sealed_from && read.sealed_until && *read.sealed_from > *read.sealed_until) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "filter.sealed_from",
                       absl::FormatTime(*read.sealed_from, absl::UTCTimeZone()),
                       "must not come after sealed_until");
  }
  read.serial_number_from = filter.serial_number_from();
  read.serial_number_until = filter.serial_number_until();
  if (!read.serial_number_until.empty() && read.serial_number_from > read.serial_number_until) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "filter.serial_number_from",
                       read.serial_number_from, "must not come after serial_number_until");
  }
  read.dac_serial = ToBytes(AsBytes(filter.dac_serial()));
  read.dac_skid = ToBytes(AsBytes(filter.dac_skid()));
  if (!read.dac_skid.empty() && read.dac_skid.size() != 20) {
    return RefuseField(Reason::FIELD_MALFORMED, "filter.dac_skid", ToHex(read.dac_skid),
                       "must be 20 bytes");
  }
  return read;
}

std::string FilterText(const v1::DeviceFilter& filter) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  return google::protobuf::util::MessageToJsonString(filter, &json, options).ok() ? json : "{}";
}

AuditService::AuditService(const FrontDesk& desk, BlockingPool& pool,
                           std::shared_ptr<db::Store> store, PageTokens tokens,
                           OpenRowCodes open_codes, ledger::ReadTally* reads)
    : Readable(desk),
      pool_(pool),
      store_(std::move(store)),
      tokens_(std::move(tokens)),
      open_codes_(std::move(open_codes)),
      reads_(reads) {
  Serve("GetDevice", &AuditService::GetDevice);
  Serve("ListDevices", &AuditService::ListDevices);
  Serve("ExportManifest", &AuditService::ExportManifest);
}

absl::StatusOr<v1::ManifestRow> AuditService::Present(const access::Caller& caller,
                                                      const db::ManifestRow& stored) const {
  v1::ManifestRow row;
  row.set_device_id(stored.device_id);
  row.set_ticket(stored.ticket);
  row.set_lot(stored.lot);
  row.set_product(stored.product);
  row.set_vendor_id(stored.vendor_id);
  row.set_product_id(stored.product_id);
  row.set_factory(stored.factory);
  row.set_line(stored.line);
  row.set_serial_number(stored.serial_number);
  row.set_dac_serial(ToText(stored.dac_serial));
  if (!stored.dac.empty()) {
    row.set_dac_sha256(ToText(stored.dac_sha256));
    row.set_dac(ToText(stored.dac));
    row.set_public_key_sha256(ToText(stored.public_key_sha256));
  }
  row.set_pai(stored.pai);
  row.set_discriminator(stored.discriminator);
  row.set_image_sha256(ToText(stored.image_sha256));
  row.set_image_signature(ToText(stored.image_signature));
  row.set_state(static_cast<v1::DeviceState>(stored.state));
  row.set_completes_module(stored.completes_module);
  *row.mutable_sealed_at() = ToProto(stored.sealed_at);
  if (stored.confirmed_at) *row.mutable_confirmed_at() = ToProto(*stored.confirmed_at);
  if (caller.Has(access::Role::kCodes) && open_codes_ && !stored.codes.empty()) {
    ASSAY_RETURN_IF_ERROR(open_codes_(stored, row));
  }
  return row;
}

absl::StatusOr<v1::ManifestRow> AuditService::FindDevice(
    const access::Caller& caller, const v1::GetDeviceRequest& request) const {
  absl::StatusOr<db::ManifestRow> stored =
      RefuseField(Reason::FIELD_REQUIRED, "by", "", "give device_id or dac_serial");
  if (request.has_device_id()) {
    ASSAY_RETURN_IF_ERROR(lot::CheckGiven("device_id", request.device_id()));
    stored = store_->FindDevice(request.device_id());
  } else if (request.has_dac_serial()) {
    ASSAY_RETURN_IF_ERROR(lot::CheckGiven("dac_serial", request.dac_serial()));
    stored = store_->FindDeviceByDacSerial(AsBytes(request.dac_serial()));
  }
  if (!stored.ok()) return stored.status();
  // The same answer as for a device that is not there, so that nobody learns of another factory's
  // devices.
  std::vector<const db::ManifestRow*> granted;
  if (caller.CheckLot(stored->factory, stored->lot).ok()) granted.push_back(&*stored);
  for (const db::ManifestRow& stage : stored->stages) {
    if (caller.CheckLot(stage.factory, stage.lot).ok()) granted.push_back(&stage);
  }
  if (granted.empty()) {
    return request.has_dac_serial()
               ? RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial",
                             ToUpperHex(AsBytes(request.dac_serial())), "no such device")
               : RefuseField(Reason::DEVICE_UNKNOWN, "device_id", request.device_id(),
                             "no such device");
  }
  auto unit = Present(caller, *granted.front());
  if (!unit.ok()) return unit;
  for (size_t i = 1; i < granted.size(); ++i) {
    auto stage = Present(caller, *granted[i]);
    if (!stage.ok()) return stage;
    *unit->add_stages() = *std::move(stage);
  }
  return unit;
}

absl::StatusOr<AuditService::Page> AuditService::ReadPage(const access::Caller& caller,
                                                          const db::DeviceFilter& asked,
                                                          int64_t after_row, size_t size) const {
  // The store passes over the lots of others; what it gives is looked at again below.
  db::DeviceFilter filter = asked;
  filter.granted = db::GrantedLots{caller.factories, caller.lots};
  Page page;
  page.last_row = after_row;
  while (true) {
    const auto stored = store_->ListDevices(
        filter, page.last_row, static_cast<int>(std::min<size_t>(kStoreRows, size + 1)));
    if (!stored.ok()) return stored.status();
    if (stored->empty()) return page;
    for (const db::ManifestRow& one : *stored) {
      if (page.rows.size() == size) {
        page.more = true;
        return page;
      }
      page.last_row = one.row;
      if (!caller.CheckLot(one.factory, one.lot).ok()) continue;
      auto row = Present(caller, one);
      if (!row.ok()) return row.status();
      page.rows.push_back(*std::move(row));
    }
  }
}

absl::StatusOr<v1::ListDevicesResponse> AuditService::List(
    const access::Caller& caller, const v1::ListDevicesRequest& request) const {
  ASSAY_RETURN_IF_ERROR(CheckPageSize(request.page_size()));
  ASSAY_RETURN_IF_ERROR(Gate());
  const auto filter = ReadDeviceFilter(request.filter());
  if (!filter.ok()) return filter.status();
  const std::string query = QueryText(caller, request.filter());
  const auto after_row = tokens_.Read(query, request.page_token());
  if (!after_row.ok()) return after_row.status();
  auto page = ReadPage(caller, *filter, *after_row,
                       request.page_size() == 0 ? kUsualPage : request.page_size());
  if (!page.ok()) return page.status();
  CountRead(caller, "AuditService/ListDevices", FilterText(request.filter()), page->rows.size());
  v1::ListDevicesResponse response;
  for (v1::ManifestRow& row : page->rows) *response.add_rows() = std::move(row);
  if (page->more) response.set_next_page_token(tokens_.Make(query, page->last_row));
  return response;
}

grpc::ServerUnaryReactor* AuditService::GetDevice(grpc::CallbackServerContext* context,
                                                  const v1::GetDeviceRequest* request,
                                                  v1::ManifestRow* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuditService/GetDevice", "", response,
                       [this, request](const Call& call) -> absl::StatusOr<v1::ManifestRow> {
                         ASSAY_RETURN_IF_ERROR(Gate());
                         auto row = FindDevice(call.caller(), *request);
                         if (row.ok()) {
                           CountRead(call.caller(), "AuditService/GetDevice",
                                     "device=" + row->device_id(), 1);
                         }
                         return row;
                       });
}

grpc::ServerUnaryReactor* AuditService::ListDevices(grpc::CallbackServerContext* context,
                                                    const v1::ListDevicesRequest* request,
                                                    v1::ListDevicesResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.AuditService/ListDevices",
                       request->filter().lot(), response,
                       [this, request](const Call& call) { return List(call.caller(), *request); });
}

grpc::ServerWriteReactor<v1::ManifestRow>* AuditService::ExportManifest(
    grpc::CallbackServerContext* context, const v1::ExportManifestRequest* request) {
  auto* stream =
      new ExportStream(*this, pool_, desk_.Admit(*context, "assay.v1.AuditService/ExportManifest"),
                       request->filter());
  stream->Start();
  return stream;
}

}  // namespace assay::rpc
