#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/manifest_rows.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kById = {
    "device_by_id",
    kManifestColumns + kManifestTables + "WHERE a.device_id = $1::text AND a.module_attempt = 0"};
const Statement kByDacSerial = {"device_by_dac_serial",
                                kManifestColumns + kManifestTables +
                                    "WHERE a.dac_serial = $1::bytea AND a.dac_issuer = ''::bytea"};
const Statement kByGivenDacSerial = {
    "device_by_given_dac_serial",
    kManifestColumns + kManifestTables +
        "WHERE a.dac_serial = $1::bytea AND a.dac_issuer <> ''::bytea LIMIT 2"};
// The row that completes a module.
const Statement kStages = {"device_stages",
                           kManifestColumns + kManifestTables +
                               "WHERE a.module_attempt = $1::bigint AND a.module_attempt <> 0 AND "
                               "a.live"};
db::ManifestRow UnitAt(Session& session, const Rows& rows, int i) {
  db::ManifestRow row = RowAt(rows, i);
  const Rows stages = session.Run(kStages, Params().Int(row.attempt_id));
  for (int k = 0; k < stages.size(); ++k) row.stages.push_back(RowAt(stages, k));
  return row;
}

// Rows looked at by one statement when most of them may not match: no statement takes long, however
// large the lot.
constexpr int64_t kStride = 200'000;

// Of one lot, or where few rows can match of all at once.
void ListWithin(Session& session, const RowConditions& conditions, int64_t after, int64_t before,
                int limit, std::vector<db::ManifestRow>& devices) {
  Params params = Params().Int(after).Int(before).Int(limit - static_cast<int>(devices.size()));
  const std::string text = conditions.Text(4, params);
  const Rows rows =
      session.Run(Kept(conditions.Name("device_list"),
                       kManifestColumns + kManifestTables + "WHERE d.row > $1::bigint AND " +
                           "d.row < $2::bigint" + text + " ORDER BY d.row LIMIT $3::bigint"),
                  params);
  for (int k = 0; k < rows.size(); ++k) devices.push_back(RowAt(rows, k));
}

// Devices nobody has decided about, by their own index: in a lot that is all but confirmed the
// rows between them are not looked at.
const Statement kWaiting = {"device_waiting",
                            "SELECT row FROM devices_waiting WHERE row > $1::bigint AND "
                            "row < $2::bigint ORDER BY row LIMIT $3::bigint"};
constexpr int kWaitingAtOnce = 2000;

void ListWaiting(Session& session, const RowConditions& conditions, int64_t after, int64_t before,
                 int limit, std::vector<db::ManifestRow>& devices) {
  while (devices.size() < static_cast<size_t>(limit)) {
    const int left = limit - static_cast<int>(devices.size());
    const int look = conditions.only_waiting() ? left : kWaitingAtOnce;
    const Rows found = session.Run(kWaiting, Params().Int(after).Int(before).Int(look));
    if (found.empty()) return;
    std::vector<int64_t> waiting;
    for (int i = 0; i < found.size(); ++i) waiting.push_back(found.Int(i, 0));
    after = waiting.back();
    Params params = Params().Ints(waiting).Int(left);
    const std::string text = conditions.Text(3, params);
    const Rows rows =
        session.Run(Kept(conditions.Name("device_list_waiting"),
                         kManifestColumns + kManifestTables + "WHERE d.row = ANY ($1::bigint[])" +
                             text + " ORDER BY d.row LIMIT $2::bigint"),
                    params);
    for (int k = 0; k < rows.size(); ++k) devices.push_back(RowAt(rows, k));
    if (found.size() < look) return;
  }
}

void ListFew(Session& session, const RowConditions& conditions,
             const std::vector<FilteredLot>& lots, int64_t after, int limit,
             std::vector<db::ManifestRow>& devices) {
  std::vector<int64_t> ids;
  for (const FilteredLot& lot : lots) ids.push_back(lot.id);
  Params params = Params().Int(after).Ints(ids).Int(limit);
  const std::string text = conditions.Text(4, params);
  // The few are found by their index before anything is sorted.
  const Rows rows = session.Run(
      Kept(conditions.Name("device_few"),
           "WITH few AS MATERIALIZED (SELECT d.row " + kManifestTables +
               "WHERE d.row > $1::bigint AND a.lot_id = ANY ($2::bigint[])" + text + ") " +
               kManifestColumns + kManifestTables +
               "WHERE d.row IN (SELECT row FROM few ORDER BY row LIMIT $3::bigint) ORDER BY d.row"),
      params);
  for (int k = 0; k < rows.size(); ++k) devices.push_back(RowAt(rows, k));
}

}  // namespace

absl::StatusOr<db::ManifestRow> PgStore::FindDevice(const std::string& device_id) {
  absl::StatusOr<db::ManifestRow> row = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    row = RefuseField(Reason::DEVICE_UNKNOWN, "device_id", device_id, "no such device");
    if (!Storable(device_id)) return absl::OkStatus();
    const Rows rows = session.Run(kById, Params().Text(device_id));
    if (!rows.empty()) row = UnitAt(session, rows, 0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return row;
}

absl::StatusOr<db::ManifestRow> PgStore::FindDeviceByDacSerial(ByteView dac_serial) {
  absl::StatusOr<db::ManifestRow> row = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    Rows rows = session.Run(kByDacSerial, Params().Blob(dac_serial));
    if (rows.empty()) rows = session.Run(kByGivenDacSerial, Params().Blob(dac_serial));
    if (rows.size() == 1) {
      row = UnitAt(session, rows, 0);
    } else {
      row = RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial", ToUpperHex(dac_serial),
                        rows.empty()
                            ? "no such device"
                            : "several issuers used this serial number; give the device's id");
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
  ASSAY_RETURN_IF_ERROR(CheckFilter(filter));
  std::vector<db::ManifestRow> devices;
  const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
    devices.clear();
    const std::vector<FilteredLot> lots = LotsOf(session, filter, after_row >> 32);
    const RowConditions conditions(session, filter);
    if (conditions.few()) {
      ListFew(session, conditions, lots, after_row, limit, devices);
      return absl::OkStatus();
    }
    for (const FilteredLot& lot : lots) {
      const int64_t end = (lot.id << 32) + lot.sealed + 1;
      int64_t after = std::max(after_row, lot.id << 32);
      if (conditions.waiting()) {
        ListWaiting(session, conditions, after, end, limit, devices);
        after = end;
      }
      while (after + 1 < end && devices.size() < static_cast<size_t>(limit)) {
        const int64_t before = conditions.none() ? end : std::min(end, after + kStride + 1);
        ListWithin(session, conditions, after, before, limit, devices);
        after = before - 1;
      }
      if (devices.size() >= static_cast<size_t>(limit)) break;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return devices;
}

}  // namespace assay::pg
