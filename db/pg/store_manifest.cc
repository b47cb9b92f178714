#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const std::string kColumns =
    "SELECT d.row, a.device_id, a.ticket, l.name, l.product, l.vendor_id, l.product_id, l.factory, "
    "a.line, "
    "a.actor, a.serial_number, a.dac_serial, d.dac_sha256, d.dac, a.public_key_sha256, a.pai, "
    "d.discriminator, "
    "d.image_sha256, d.image_signature, d.codes, coalesce(x.state, 1), d.sealed_at, "
    "x.confirmed_at ";
const std::string kByAttempt =
    "FROM attempts a JOIN devices d ON d.attempt_id = a.id JOIN lots l ON l.id = a.lot_id "
    "LEFT JOIN device_outcomes x ON x.row = d.row ";
const std::string kFilter =
    "AND ($3::text = '' OR a.line = $3::text) AND ($4::bigint = 0 OR coalesce(x.state, 1) = "
    "$4::bigint) "
    "AND d.sealed_at >= 'epoch'::timestamptz + $5::bigint * interval '1 us' "
    "AND d.sealed_at < 'epoch'::timestamptz + $6::bigint * interval '1 us' ";

const Statement kById = {"device_by_id", kColumns + kByAttempt + "WHERE a.device_id = $1::text"};
const Statement kByDacSerial = {"device_by_dac_serial",
                                kColumns + kByAttempt + "WHERE a.dac_serial = $1::bytea"};
const Statement kLots = {
    "device_lots",
    "SELECT id FROM lots WHERE id >= $1::bigint AND ($2::text = '' OR name = $2::text) "
    "AND ($3::text = '' OR product = $3::text) AND ($4::text = '' OR factory = $4::text) ORDER BY "
    "id"};
const Statement kOfLot = {
    "device_list",
    kColumns +
        "FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN lots l ON l.id = a.lot_id "
        "LEFT JOIN device_outcomes x ON x.row = d.row "
        "WHERE d.row > $1::bigint AND d.row < $2::bigint " +
        kFilter + "ORDER BY d.row LIMIT $7::bigint"};
const Statement kOfSerialNumber = {
    "device_list_serial",
    kColumns + kByAttempt + "WHERE d.row > $1::bigint AND d.row < $2::bigint " + kFilter +
        "AND a.serial_number = $8::text AND a.live ORDER BY d.row LIMIT $7::bigint"};

db::ManifestRow RowAt(const Rows& rows, int i) {
  db::ManifestRow row;
  row.row = rows.Int(i, 0);
  row.device_id = rows.Text(i, 1);
  row.ticket = rows.Text(i, 2);
  row.lot = rows.Text(i, 3);
  row.product = rows.Text(i, 4);
  row.vendor_id = static_cast<uint16_t>(rows.Int(i, 5));
  row.product_id = static_cast<uint16_t>(rows.Int(i, 6));
  row.factory = rows.Text(i, 7);
  row.line = rows.Text(i, 8);
  row.actor = rows.Text(i, 9);
  row.serial_number = rows.Text(i, 10);
  row.dac_serial = rows.Blob(i, 11);
  row.dac_sha256 = rows.Digest(i, 12);
  row.dac = rows.Blob(i, 13);
  row.public_key_sha256 = rows.Digest(i, 14);
  row.pai = rows.Text(i, 15);
  row.discriminator = static_cast<uint16_t>(rows.Int(i, 16));
  row.image_sha256 = rows.Digest(i, 17);
  row.image_signature = rows.Blob(i, 18);
  row.codes = rows.Blob(i, 19);
  row.state = static_cast<int>(rows.Int(i, 20));
  row.sealed_at = rows.Time(i, 21);
  if (!rows.IsNull(i, 22)) row.confirmed_at = rows.Time(i, 22);
  return row;
}

// Far enough for every date a certificate can bear, and within PostgreSQL's range.
constexpr int64_t kEarliest = 0;
constexpr int64_t kLatest = 253402300800 * 1000000;  // year 10000 in microseconds

Params FilterParams(const db::DeviceFilter& filter, int64_t after, int64_t before, int64_t limit) {
  const auto micros = [](const std::optional<absl::Time>& time, int64_t otherwise) {
    return time ? std::clamp(absl::ToUnixMicros(*time), kEarliest, kLatest) : otherwise;
  };
  Params params;
  params.Int(after)
      .Int(before)
      .Text(filter.line)
      .Int(filter.state ? static_cast<int64_t>(*filter.state) : 0)
      .Int(micros(filter.sealed_from, kEarliest))
      .Int(micros(filter.sealed_until, kLatest))
      .Int(limit);
  return params;
}

}  // namespace

absl::StatusOr<db::ManifestRow> PgStore::FindDevice(const std::string& device_id) {
  absl::StatusOr<db::ManifestRow> row = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    row = RefuseField(Reason::DEVICE_UNKNOWN, "device_id", device_id, "no such device");
    if (!Storable(device_id)) return absl::OkStatus();
    const Rows rows = session.Run(kById, Params().Text(device_id));
    if (!rows.empty()) row = RowAt(rows, 0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return row;
}

absl::StatusOr<db::ManifestRow> PgStore::FindDeviceByDacSerial(ByteView dac_serial) {
  absl::StatusOr<db::ManifestRow> row = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    const Rows rows = session.Run(kByDacSerial, Params().Blob(dac_serial));
    if (rows.empty()) {
      row = RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial", ToUpperHex(dac_serial),
                        "no such device");
    } else {
      row = RowAt(rows, 0);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return row;
}

// Lot by lot: a device's row number begins with its lot's id, so that each lot is one range of the
// primary key, whatever else is in the table, and within a lot rows become visible in their order.
absl::StatusOr<std::vector<db::ManifestRow>> PgStore::ListDevices(const db::DeviceFilter& filter,
                                                                  int64_t after_row, int limit) {
  for (const std::string* text :
       {&filter.lot, &filter.product, &filter.factory, &filter.line, &filter.serial_number}) {
    if (!Storable(*text)) {
      return RefuseField(Reason::FIELD_MALFORMED, "filter", "",
                         "must be UTF-8 without a zero byte");
    }
  }
  std::vector<db::ManifestRow> devices;
  const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
    devices.clear();
    const Rows lots = session.Run(
        kLots,
        Params().Int(after_row >> 32).Text(filter.lot).Text(filter.product).Text(filter.factory));
    for (int i = 0; i < lots.size() && devices.size() < static_cast<size_t>(limit); ++i) {
      const int64_t lot = lots.Int(i, 0);
      Params params = FilterParams(filter, std::max(after_row, lot << 32), (lot + 1) << 32,
                                   limit - static_cast<int64_t>(devices.size()));
      const bool by_serial = !filter.serial_number.empty();
      if (by_serial) params.Text(filter.serial_number);
      const Rows rows = session.Run(by_serial ? kOfSerialNumber : kOfLot, params);
      for (int k = 0; k < rows.size(); ++k) devices.push_back(RowAt(rows, k));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return devices;
}

}  // namespace assay::pg
