#include "db/pg/manifest_rows.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pg {
namespace {

// Matches above which a range is no longer looked up by its index.
constexpr int64_t kFew = 5000;

enum Condition : unsigned {
  kLine = 1,
  kStateIs = 2,
  kFrom = 4,
  kUntil = 8,
  kSerial = 16,
  kSerialFrom = 32,
  kSerialUntil = 64,
  kDacSerial = 128,
  kSkid = 256,
};

// As the index devices_dac_skid has it.
const std::string kSkidOf =
    "substring(d.dac FROM position('\\x0603551d0e04160414'::bytea IN d.dac) + 9 FOR 20)";

const Statement kLots = {
    "device_lots",
    "SELECT l.id, r.sealed FROM lots l JOIN lot_results r ON r.lot_id = l.id "
    "WHERE l.id >= $1::bigint AND ($2::text = '' OR l.name = $2::text) "
    "AND ($3::text = '' OR l.product = $3::text) AND ($4::text = '' OR l.factory = $4::text) "
    "AND ('*' = ANY ($5::text[]) OR l.factory = ANY ($5::text[])) "
    "AND ('*' = ANY ($6::text[]) OR l.name = ANY ($6::text[])) ORDER BY l.id"};
const Statement kSerialsWithin = {
    "device_serials_within",
    "SELECT count(*) FROM (SELECT FROM attempts WHERE live AND serial_number IS NOT NULL "
    "AND serial_number COLLATE \"C\" >= $1::text AND serial_number COLLATE \"C\" <= $2::text "
    "LIMIT $3::bigint) q"};
const Statement kSerialsFrom = {
    "device_serials_from",
    "SELECT count(*) FROM (SELECT FROM attempts WHERE live AND serial_number IS NOT NULL "
    "AND serial_number COLLATE \"C\" >= $1::text LIMIT $2::bigint) q"};
const Statement kSealedWithin = {
    "device_sealed_within",
    "SELECT count(*) FROM (SELECT FROM devices WHERE "
    "sealed_at >= 'epoch'::timestamptz + $1::bigint * interval '1 us' AND "
    "sealed_at < 'epoch'::timestamptz + $2::bigint * interval '1 us' LIMIT $3::bigint) q"};

// No lot or factory bears a name the database cannot hold.
std::vector<std::string_view> Storables(const std::vector<std::string>& names) {
  std::vector<std::string_view> storable;
  for (const std::string& name : names) {
    if (Storable(name)) storable.push_back(name);
  }
  return storable;
}

// Far enough for every date a certificate can bear, and within PostgreSQL's range.
constexpr int64_t kEarliest = 0;
constexpr int64_t kLatest = 253402300800 * 1000000;  // year 10000 in microseconds

int64_t Micros(const std::optional<absl::Time>& time, int64_t otherwise) {
  return time ? std::clamp(absl::ToUnixMicros(*time), kEarliest, kLatest) : otherwise;
}

}  // namespace

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
  row.attempt_id = rows.Int(i, 23);
  row.completes_module = rows.Bool(i, 24);
  return row;
}

absl::Status CheckFilter(const db::DeviceFilter& filter) {
  for (const std::string* text :
       {&filter.lot, &filter.product, &filter.factory, &filter.line, &filter.serial_number,
        &filter.serial_number_from, &filter.serial_number_until}) {
    if (!Storable(*text)) {
      return RefuseField(Reason::FIELD_MALFORMED, "filter", "",
                         "must be UTF-8 without a zero byte");
    }
  }
  return absl::OkStatus();
}

std::vector<FilteredLot> LotsOf(Session& session, const db::DeviceFilter& filter, int64_t from_id) {
  const std::vector<std::string_view> factories =
      filter.granted ? Storables(filter.granted->factories) : std::vector<std::string_view>{"*"};
  const std::vector<std::string_view> names =
      filter.granted ? Storables(filter.granted->lots) : std::vector<std::string_view>{"*"};
  const Rows rows = session.Run(kLots, Params()
                                           .Int(from_id)
                                           .Text(filter.lot)
                                           .Text(filter.product)
                                           .Text(filter.factory)
                                           .Texts(factories)
                                           .Texts(names));
  std::vector<FilteredLot> lots;
  for (int i = 0; i < rows.size(); ++i) lots.push_back({rows.Int(i, 0), rows.Int(i, 1)});
  return lots;
}

RowConditions::RowConditions(Session& session, const db::DeviceFilter& filter) : filter_(filter) {
  mask_ |= filter.line.empty() ? 0U : kLine;
  mask_ |= filter.state ? kStateIs : 0U;
  mask_ |= filter.sealed_from ? kFrom : 0U;
  mask_ |= filter.sealed_until ? kUntil : 0U;
  mask_ |= filter.serial_number.empty() ? 0U : kSerial;
  mask_ |= filter.serial_number_from.empty() ? 0U : kSerialFrom;
  mask_ |= filter.serial_number_until.empty() ? 0U : kSerialUntil;
  mask_ |= filter.dac_serial.empty() ? 0U : kDacSerial;
  mask_ |= filter.dac_skid.empty() ? 0U : kSkid;
  few_ = (mask_ & (kSerial | kDacSerial | kSkid)) != 0;
  if (!few_ && (mask_ & kSerialUntil) != 0) {
    few_ =
        session
            .Run(
                kSerialsWithin,
                Params().Text(filter.serial_number_from).Text(filter.serial_number_until).Int(kFew))
            .Int(0, 0) < kFew;
  } else if (!few_ && (mask_ & kSerialFrom) != 0) {
    few_ = session.Run(kSerialsFrom, Params().Text(filter.serial_number_from).Int(kFew)).Int(0, 0) <
           kFew;
  }
  if (!few_ && (mask_ & (kFrom | kUntil)) != 0) {
    few_ = session
               .Run(kSealedWithin, Params()
                                       .Int(Micros(filter.sealed_from, kEarliest))
                                       .Int(Micros(filter.sealed_until, kLatest))
                                       .Int(kFew))
               .Int(0, 0) < kFew;
  }
}

bool RowConditions::only_waiting() const { return waiting() && mask_ == kStateIs; }

std::string RowConditions::Text(int first, Params& params) const {
  std::string text;
  const auto add = [&](absl::string_view before, absl::string_view type, absl::string_view after) {
    absl::StrAppend(&text, " AND ", before, "$", first++, type, after);
  };
  if ((mask_ & kLine) != 0) {
    add("a.line = ", "::text", "");
    params.Text(filter_.line);
  }
  if ((mask_ & kStateIs) != 0) {
    const int state = static_cast<int>(*filter_.state);
    absl::StrAppend(&text, " AND ", kStateOfUnit, " = ", state);
    // Rare ones have an index.
    if (state > 2) absl::StrAppend(&text, " AND x.state = ", state);
  }
  constexpr absl::string_view kMicros = "::bigint * interval '1 us'";
  if ((mask_ & kFrom) != 0) {
    add("d.sealed_at >= 'epoch'::timestamptz + ", kMicros, "");
    params.Int(Micros(filter_.sealed_from, kEarliest));
  }
  if ((mask_ & kUntil) != 0) {
    add("d.sealed_at < 'epoch'::timestamptz + ", kMicros, "");
    params.Int(Micros(filter_.sealed_until, kLatest));
  }
  if ((mask_ & kSerial) != 0) {
    add("a.live AND a.serial_number = ", "::text", "");
    params.Text(filter_.serial_number);
  }
  if ((mask_ & (kSerialFrom | kSerialUntil)) != 0) {
    absl::StrAppend(&text, " AND a.live AND a.serial_number IS NOT NULL");
  }
  if ((mask_ & kSerialFrom) != 0) {
    add("a.serial_number COLLATE \"C\" >= ", "::text", "");
    params.Text(filter_.serial_number_from);
  }
  if ((mask_ & kSerialUntil) != 0) {
    add("a.serial_number COLLATE \"C\" <= ", "::text", "");
    params.Text(filter_.serial_number_until);
  }
  if ((mask_ & kDacSerial) != 0) {
    add("a.dac_serial = ", "::bytea", "");
    params.Blob(filter_.dac_serial);
  }
  if ((mask_ & kSkid) != 0) {
    add(absl::StrCat(kSkidOf, " = "), "::bytea", "");
    params.Blob(filter_.dac_skid);
  }
  return text;
}

std::string RowConditions::Name(std::string_view prefix) const {
  return absl::StrCat(absl::string_view(prefix.data(), prefix.size()), "_", mask_,
                      filter_.state ? absl::StrCat("_", static_cast<int>(*filter_.state)) : "");
}

const Statement& Kept(const std::string& name, const std::string& sql) {
  static std::mutex mutex;
  static auto* const kept = new std::map<std::string, Statement>();
  const std::lock_guard lock(mutex);
  const auto [at, made] = kept->try_emplace(name);
  if (made) at->second = {at->first.c_str(), sql};
  return at->second;
}

}  // namespace assay::pg
