// The manifest's rows as SQL: columns, joins and the conditions of a filter, for whoever reads
// devices.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "db/pg/binary.h"
#include "db/pg/pool.h"
#include "db/store.h"

namespace assay::pg {

// Of a unit that was made in two lots both rows bear the module's id and certificate, and what
// ended the module ended the unit.
inline const std::string kStateOfUnit =
    "CASE WHEN coalesce(mx.state, 1) >= 3 THEN mx.state ELSE coalesce(x.state, 1) END";
// Of one row, for RowAt.
inline const std::string kManifestColumns =
    "SELECT d.row, coalesce(m.device_id, a.device_id), a.ticket, l.name, l.product, l.vendor_id, "
    "l.product_id, l.factory, a.line, a.actor, a.serial_number, "
    "coalesce(m.dac_serial, a.dac_serial), coalesce(md.dac_sha256, d.dac_sha256), "
    "coalesce(md.dac, d.dac), coalesce(m.public_key_sha256, a.public_key_sha256), "
    "coalesce(m.pai, a.pai), d.discriminator, "
    "d.image_sha256, d.image_signature, d.codes, " +
    kStateOfUnit + ", d.sealed_at, x.confirmed_at, a.id, a.module_attempt <> 0 ";
inline constexpr int kManifestWidth = 25;  // columns
inline const std::string kOfModule =
    "LEFT JOIN device_outcomes x ON x.row = d.row "
    "LEFT JOIN attempts m ON m.id = a.module_attempt "
    "LEFT JOIN devices md ON md.attempt_id = m.id LEFT JOIN device_outcomes mx ON mx.row = md.row ";
inline const std::string kManifestTables =
    "FROM attempts a JOIN devices d ON d.attempt_id = a.id JOIN lots l ON l.id = a.lot_id " +
    kOfModule;

db::ManifestRow RowAt(const Rows& rows, int i);

// Filter texts no database can hold: FIELD_MALFORMED.
absl::Status CheckFilter(const db::DeviceFilter& filter);

// The lots a filter leaves, ascending, and how many rows each has now.
struct FilteredLot {
  int64_t id = 0;
  int64_t sealed = 0;
};
std::vector<FilteredLot> LotsOf(Session& session, const db::DeviceFilter& filter, int64_t from_id);

// What a filter asks of the rows themselves, not of their lots.
class RowConditions {
 public:
  // `session` is asked whether few rows can match.
  RowConditions(Session& session, const db::DeviceFilter& filter);

  bool none() const { return mask_ == 0; }
  // Only devices nobody has decided about: devices_waiting has their rows.
  bool waiting() const { return filter_.state == db::DeviceState::kSealed; }
  bool only_waiting() const;
  // An index leads to the few rows: look at all lots at once.
  bool few() const { return few_; }
  // " AND ..." with parameters from number `first` on, added to `params`; FewLots adds the lots'.
  std::string Text(int first, Params& params) const;
  // A name for statements that differ by these conditions only.
  std::string Name(std::string_view prefix) const;

 private:
  const db::DeviceFilter& filter_;
  unsigned mask_ = 0;
  bool few_ = false;
};

// A statement kept for ever under its name.
const Statement& Kept(const std::string& name, const std::string& sql);

}  // namespace assay::pg
