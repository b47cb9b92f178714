#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const std::string kProductSelect =
    "SELECT name, revision, vendor_id, product_id, spec, spec_json::text, updated_at FROM "
    "products ";
const std::string kLotSelect =
    "SELECT l.id, l.name, l.product, l.product_revision, l.spec, l.vendor_id, l.product_id, "
    "l.factory, "
    "c.capacity, extract(epoch FROM l.retention)::bigint, c.open, c.claimed, r.sealed, "
    "r.confirmed, r.scrapped, "
    "l.wrapped_key, l.opened_at FROM lots l JOIN lot_claims c ON c.lot_id = l.id "
    "JOIN lot_results r ON r.lot_id = l.id ";

const Statement kApply = {
    "product_apply",
    "INSERT INTO products (name, revision, vendor_id, product_id, spec, spec_json) "
    "VALUES ($1::text, 1, $2::bigint, $3::bigint, $4::bytea, $5::text::json) "
    "ON CONFLICT (name) DO UPDATE SET revision = products.revision + 1, vendor_id = "
    "excluded.vendor_id, "
    "product_id = excluded.product_id, spec = excluded.spec, spec_json = excluded.spec_json, "
    "updated_at = now() WHERE products.spec <> excluded.spec"};
const Statement kFixed = {"product_fixed",
                          "SELECT l.name FROM lots l JOIN lot_claims c ON c.lot_id = l.id WHERE "
                          "l.product = $1::text AND c.open "
                          "AND (l.vendor_id <> $2::bigint OR l.product_id <> $3::bigint) LIMIT 1"};
const Statement kFindProduct = {"product_find", kProductSelect + "WHERE name = $1::text"};
const Statement kListProducts = {
    "product_list", kProductSelect + "WHERE name > $1::text ORDER BY name LIMIT $2::bigint"};
// Shared, so that the product does not change under the lot being opened.
const Statement kHoldProduct = {"product_hold",
                                "SELECT 1 FROM products WHERE name = $1::text FOR SHARE"};

const Statement kOpen = {
    "lot_open",
    "WITH made AS (INSERT INTO lots (name, product, product_revision, spec, vendor_id, product_id, "
    "factory, "
    "retention, wrapped_key) VALUES ($1::text, $2::text, $3::bigint, $4::bytea, $5::bigint, "
    "$6::bigint, "
    "$7::text, $8::bigint * interval '1 s', $9::bytea) ON CONFLICT (name) DO NOTHING RETURNING "
    "id), "
    "claims AS (INSERT INTO lot_claims (lot_id, open, capacity) SELECT id, true, $10::bigint FROM "
    "made), "
    "results AS (INSERT INTO lot_results (lot_id) SELECT id FROM made) SELECT id FROM made"};
const Statement kFindLot = {"lot_find", kLotSelect + "WHERE l.name = $1::text"};
const Statement kHoldLot = {
    "lot_hold",
    "SELECT c.lot_id, c.open, c.capacity FROM lots l "
    "JOIN lot_claims c ON c.lot_id = l.id WHERE l.name = $1::text FOR UPDATE OF c"};
const Statement kRaise = {"lot_raise",
                          "UPDATE lot_claims SET capacity = $2::bigint WHERE lot_id = $1::bigint"};
const Statement kClose = {"lot_close",
                          "UPDATE lot_claims SET open = false WHERE lot_id = $1::bigint"};
const Statement kClosed = {"lot_closed", "UPDATE lots SET closed_at = now() WHERE id = $1::bigint"};
const Statement kListLots = {
    "lot_list", kLotSelect +
                    "WHERE l.name > $1::text AND ($2::text = '' OR l.product = $2::text) "
                    "AND ($3::text = '' OR l.factory = $3::text) ORDER BY l.name LIMIT $4::bigint"};

// The row number of a device keeps its place in the lot in 32 bits.
constexpr uint64_t kMostInLot = 0xFFFFFFFF;

db::Product ProductAt(const Rows& rows, int i) {
  db::Product product;
  product.name = rows.Text(i, 0);
  product.revision = static_cast<uint32_t>(rows.Int(i, 1));
  product.vendor_id = static_cast<uint16_t>(rows.Int(i, 2));
  product.product_id = static_cast<uint16_t>(rows.Int(i, 3));
  product.spec = rows.Blob(i, 4);
  product.spec_json = rows.Text(i, 5);
  product.updated_at = rows.Time(i, 6);
  return product;
}

db::Lot LotAt(const Rows& rows, int i) {
  db::Lot lot;
  lot.id = rows.Int(i, 0);
  lot.name = rows.Text(i, 1);
  lot.product = rows.Text(i, 2);
  lot.product_revision = static_cast<uint32_t>(rows.Int(i, 3));
  lot.spec = rows.Blob(i, 4);
  lot.vendor_id = static_cast<uint16_t>(rows.Int(i, 5));
  lot.product_id = static_cast<uint16_t>(rows.Int(i, 6));
  lot.factory = rows.Text(i, 7);
  lot.count = static_cast<uint64_t>(rows.Int(i, 8));
  lot.retention = std::chrono::seconds(rows.Int(i, 9));
  lot.state = rows.Bool(i, 10) ? db::LotState::kOpen : db::LotState::kClosed;
  lot.claimed = static_cast<uint64_t>(rows.Int(i, 11));
  lot.sealed = static_cast<uint64_t>(rows.Int(i, 12));
  lot.confirmed = static_cast<uint64_t>(rows.Int(i, 13));
  lot.scrapped = static_cast<uint64_t>(rows.Int(i, 14));
  lot.wrapped_key = rows.Blob(i, 15);
  lot.opened_at = rows.Time(i, 16);
  return lot;
}

absl::Status CheckListed(absl::string_view field, const std::string& text) {
  if (Storable(text)) return absl::OkStatus();
  return RefuseField(Reason::FIELD_MALFORMED, field, "", "must be UTF-8 without a zero byte");
}

// A transaction and a session run statements alike. No name is empty, so a text no name can be
// finds nothing.
template <typename Runner>
absl::StatusOr<db::Product> ReadProduct(Runner& runner, const std::string& name) {
  const Rows rows = runner.Run(kFindProduct, Params().Text(Storable(name) ? name : ""));
  if (rows.empty()) return RefuseField(Reason::PRODUCT_UNKNOWN, "product", name, "no such product");
  return ProductAt(rows, 0);
}

template <typename Runner>
absl::StatusOr<db::Lot> ReadLot(Runner& runner, const std::string& name) {
  const Rows rows = runner.Run(kFindLot, Params().Text(Storable(name) ? name : ""));
  if (rows.empty()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
  return LotAt(rows, 0);
}

absl::Status CheckCount(uint64_t count) {
  if (count <= kMostInLot) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(count),
                     absl::StrCat("at most ", kMostInLot));
}

// Everything the opener chose; the lot key is drawn anew each time and not part of it.
bool SameLot(const db::Lot& a, const db::Lot& b) {
  return a.product == b.product && a.product_revision == b.product_revision && a.spec == b.spec &&
         a.vendor_id == b.vendor_id && a.product_id == b.product_id && a.factory == b.factory &&
         a.count == b.count && a.retention == b.retention && a.state == db::LotState::kOpen;
}

absl::StatusOr<db::Lot> InsertLot(Transaction& transaction, const db::Lot& lot) {
  if (transaction.Run(kHoldProduct, Params().Text(lot.product)).empty()) {
    return RefuseField(Reason::PRODUCT_UNKNOWN, "product", lot.product, "no such product");
  }
  const Rows made = transaction.Run(kOpen, Params()
                                               .Text(lot.name)
                                               .Text(lot.product)
                                               .Int(lot.product_revision)
                                               .Blob(lot.spec)
                                               .Int(lot.vendor_id)
                                               .Int(lot.product_id)
                                               .Text(lot.factory)
                                               .Int(lot.retention.count())
                                               .Blob(lot.wrapped_key)
                                               .Int(static_cast<int64_t>(lot.count)));
  auto found = ReadLot(transaction, lot.name);
  if (!found.ok() || !made.empty()) return found;
  if (!SameLot(*found, lot)) {
    return RefuseField(Reason::LOT_CONFLICT, "lot", lot.name, "exists with other content");
  }
  transaction.Discard();
  return found;
}

}  // namespace

absl::StatusOr<db::Product> PgStore::ApplyProduct(const db::Act& act, const db::Product& product) {
  const auto find = [&](Transaction& transaction) {
    return ReadProduct(transaction, product.name);
  };
  return Perform<db::Product>(
      act, find, [&](Transaction& transaction) -> absl::StatusOr<db::Product> {
        transaction.Run(kApply, Params()
                                    .Text(product.name)
                                    .Int(product.vendor_id)
                                    .Int(product.product_id)
                                    .Blob(product.spec)
                                    .TextOrNull(product.spec_json));
        const Rows fixed = transaction.Run(
            kFixed, Params().Text(product.name).Int(product.vendor_id).Int(product.product_id));
        if (!fixed.empty()) {
          return RefuseField(
              Reason::PRODUCT_CONFLICT, "product", product.name,
              absl::StrCat("vendor and product id are fixed by the open lot ", fixed.Text(0, 0)));
        }
        return find(transaction);
      });
}

absl::StatusOr<db::Product> PgStore::FindProduct(const std::string& name) {
  absl::StatusOr<db::Product> product = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    product = ReadProduct(session, name);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return product;
}

absl::StatusOr<std::vector<db::Product>> PgStore::ListProducts(const std::string& after_name,
                                                               int limit) {
  ASSAY_RETURN_IF_ERROR(CheckListed("page_token", after_name));
  std::vector<db::Product> products;
  const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
    const Rows rows = session.Run(kListProducts, Params().Text(after_name).Int(limit));
    products.clear();
    for (int i = 0; i < rows.size(); ++i) products.push_back(ProductAt(rows, i));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return products;
}

absl::StatusOr<db::Lot> PgStore::OpenLot(const db::Act& act, const db::Lot& lot) {
  ASSAY_RETURN_IF_ERROR(CheckCount(lot.count));
  const auto find = [&](Transaction& transaction) { return ReadLot(transaction, lot.name); };
  return Perform<db::Lot>(act, find,
                          [&](Transaction& transaction) { return InsertLot(transaction, lot); });
}

absl::StatusOr<db::Lot> PgStore::RaiseLot(const db::Act& act, const std::string& name,
                                          uint64_t count) {
  ASSAY_RETURN_IF_ERROR(CheckCount(count));
  const auto find = [&](Transaction& transaction) { return ReadLot(transaction, name); };
  return Perform<db::Lot>(act, find, [&](Transaction& transaction) -> absl::StatusOr<db::Lot> {
    const Rows held = transaction.Run(kHoldLot, Params().Text(name));
    if (held.empty()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
    if (!held.Bool(0, 1))
      return RefuseField(Reason::LOT_NOT_OPEN, "lot", name, "the lot is closed");
    const int64_t before = held.Int(0, 2);
    if (static_cast<int64_t>(count) < before) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(count),
                         absl::StrCat("a lot is only raised; its count is ", before));
    }
    transaction.Run(kRaise, Params().Int(held.Int(0, 0)).Int(static_cast<int64_t>(count)));
    return find(transaction);
  });
}

absl::StatusOr<db::Lot> PgStore::CloseLot(const db::Act& act, const std::string& name) {
  const auto find = [&](Transaction& transaction) { return ReadLot(transaction, name); };
  return Perform<db::Lot>(act, find, [&](Transaction& transaction) -> absl::StatusOr<db::Lot> {
    const Rows held = transaction.Run(kHoldLot, Params().Text(name));
    if (held.empty()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
    if (!held.Bool(0, 1)) {
      transaction.Discard();
      return find(transaction);
    }
    const Params lot = Params().Int(held.Int(0, 0));
    transaction.Run(kClose, lot);
    transaction.Run(kClosed, lot);
    return find(transaction);
  });
}

absl::StatusOr<db::Lot> PgStore::FindLot(const std::string& name) {
  absl::StatusOr<db::Lot> lot = absl::UnknownError("not run");
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    lot = ReadLot(session, name);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return lot;
}

absl::StatusOr<std::vector<db::Lot>> PgStore::ListLots(const std::string& product,
                                                       const std::string& factory,
                                                       const std::string& after_name, int limit) {
  ASSAY_RETURN_IF_ERROR(CheckListed("product", product));
  ASSAY_RETURN_IF_ERROR(CheckListed("factory", factory));
  ASSAY_RETURN_IF_ERROR(CheckListed("page_token", after_name));
  std::vector<db::Lot> lots;
  const absl::Status status = Read(pool_, Use::kRead, [&](Session& session) {
    const Rows rows =
        session.Run(kListLots, Params().Text(after_name).Text(product).Text(factory).Int(limit));
    lots.clear();
    for (int i = 0; i < rows.size(); ++i) lots.push_back(LotAt(rows, i));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return lots;
}

}  // namespace assay::pg
