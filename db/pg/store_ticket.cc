#include "base/refusal.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

// The look-up of an attempt stands by itself (OFFSET 0): planned once, when the tables may be
// empty, the statement must still go from the tickets to their rows; and generate_subscripts leaves
// the planner nothing to gain by planning it each time, which took ten times as long as running it.
const Statement kFind = {
    "ticket_find",
    "SELECT q.place, a.id, a.request_digest, a.line, a.instance_id, "
    "coalesce(m.device_id, a.device_id), d.image_sha256, "
    "s.sealed, "
    "d.attempt_id IS NOT NULL, s.attempt_id IS NOT NULL, coalesce(i.lease_until > now(), false) "
    "FROM (SELECT i::bigint AS place, ($1::bigint[])[i] AS lot_id, ($2::text[])[i] AS ticket "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) n) q "
    "CROSS JOIN LATERAL (SELECT * FROM attempts WHERE lot_id = q.lot_id AND ticket = q.ticket "
    "AND live OFFSET 0) a "
    "LEFT JOIN attempts m ON m.id = a.module_attempt "
    "LEFT JOIN devices d ON d.attempt_id = a.id "
    "LEFT JOIN sealed_identities s ON s.lot_id = a.lot_id AND s.attempt_id = a.id "
    "LEFT JOIN instances i ON i.instance_id = a.instance_id"};

db::TicketView ViewAt(const Rows& rows, int i) {
  db::TicketView view;
  view.attempt_id = rows.Int(i, 1);
  view.request_digest = rows.Digest(i, 2);
  view.line = rows.Text(i, 3);
  view.instance_id = rows.Text(i, 4);
  if (!rows.Bool(i, 8)) {
    view.state = rows.Bool(i, 10) ? db::TicketView::State::kInFlight : db::TicketView::State::kDead;
    return view;
  }
  view.state = rows.Bool(i, 9) ? db::TicketView::State::kSealed : db::TicketView::State::kWiped;
  view.device_id = rows.Text(i, 5);
  view.image_sha256 = rows.Digest(i, 6);
  view.sealed = rows.Blob(i, 7);
  return view;
}

}  // namespace

std::vector<absl::StatusOr<db::TicketView>> PgStore::FindTickets(
    std::span<const db::TicketKey> keys) {
  std::vector<absl::StatusOr<db::TicketView>> views(keys.size(), db::TicketView{});
  std::vector<int64_t> lots;
  std::vector<std::string_view> tickets;
  std::vector<size_t> places;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!Storable(keys[i].ticket)) {
      views[i] =
          RefuseField(Reason::FIELD_MALFORMED, "ticket", "", "must be UTF-8 without a zero byte");
      continue;
    }
    places.push_back(i);
    lots.push_back(keys[i].lot_id);
    tickets.push_back(keys[i].ticket);
  }
  if (places.empty()) return views;
  const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
    const Rows rows = session.Run(kFind, Params().Ints(lots).Texts(tickets));
    for (int i = 0; i < rows.size(); ++i) {
      views[places[static_cast<size_t>(rows.Int(i, 0) - 1)]] = ViewAt(rows, i);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) {
    for (const size_t place : places) views[place] = status;
  }
  return views;
}

}  // namespace assay::pg
