#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/ledger_entry.h"
#include "db/pg/revocation_entries.h"
#include "db/pg/store_impl.h"
#include "db/ticket_refusals.h"

namespace assay::pg {
namespace {

// Written as in store_ticket.cc, so that it is planned once.
const Statement kFind = {
    "confirm_find",
    "SELECT q.place, a.id, coalesce(m.device_id, a.device_id), a.line, d.row, "
    "CASE WHEN coalesce(mx.state, 1) >= 3 THEN CASE WHEN mx.outcome = 3 THEN 3 ELSE mx.state END "
    "ELSE coalesce(x.outcome, x.state, 1) END, l.name "
    "FROM (SELECT i::bigint AS place, ($1::bigint[])[i] AS lot_id, ($2::text[])[i] AS ticket "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) n) q "
    "CROSS JOIN LATERAL (SELECT * FROM attempts WHERE lot_id = q.lot_id AND ticket = q.ticket "
    "AND live OFFSET 0) a CROSS JOIN LATERAL (SELECT * FROM devices WHERE attempt_id = a.id OFFSET "
    "0) d CROSS JOIN LATERAL (SELECT name FROM lots WHERE id = a.lot_id OFFSET 0) l "
    "LEFT JOIN device_outcomes x ON x.row = d.row "
    "LEFT JOIN attempts m ON m.id = a.module_attempt "
    "LEFT JOIN devices md ON md.attempt_id = m.id LEFT JOIN device_outcomes mx ON mx.row = md.row"};
// A scrapped unit is scrapped as a whole: the module with what completed it, and the other way
// round.
const Statement kMates = {
    "confirm_mates",
    "SELECT o.row, o.attempt_id, o.lot_id, coalesce(x.state, 1), o.actor FROM ("
    "SELECT md.row, m.id AS attempt_id, m.lot_id, q.actor "
    "FROM unnest($1::bigint[], $2::text[]) AS q (id, actor) JOIN attempts a ON a.id = q.id "
    "JOIN attempts m ON m.id = a.module_attempt JOIN devices md ON md.attempt_id = m.id "
    "UNION ALL SELECT cd.row, c.id, c.lot_id, q.actor "
    "FROM unnest($1::bigint[], $2::text[]) AS q (id, actor) "
    "JOIN attempts c ON c.module_attempt = q.id AND c.module_attempt <> 0 AND c.live "
    "JOIN devices cd ON cd.attempt_id = c.id) o "
    "LEFT JOIN device_outcomes x ON x.row = o.row WHERE coalesce(x.state, 1) < 3 ORDER BY o.row"};
const Statement kScrapMates = {
    "confirm_scrap_mates",
    "INSERT INTO device_outcomes AS o (row, state, actor, confirmed_at) "
    "SELECT q.row, 3, q.actor, now() FROM unnest($1::bigint[], $2::text[]) AS q (row, actor) "
    "ON CONFLICT (row) DO UPDATE SET state = 3, actor = excluded.actor, confirmed_at = now() "
    "WHERE o.state < 3"};
const Statement kDecide = {"confirm_decide",
                           "INSERT INTO device_outcomes (row, state, actor, confirmed_at) "
                           "SELECT *, now() FROM unnest($1::bigint[], $2::bigint[], $3::text[]) "
                           "ON CONFLICT DO NOTHING RETURNING row"};
const Statement kDecided = {
    "confirm_decided",
    "SELECT row, coalesce(outcome, state) FROM device_outcomes WHERE row = ANY ($1::bigint[])"};
const Statement kWipe = {"confirm_wipe",
                         "DELETE FROM sealed_identities s USING unnest($1::bigint[], $2::bigint[]) "
                         "AS w (lot_id, attempt_id) "
                         "WHERE s.lot_id = w.lot_id AND s.attempt_id = w.attempt_id"};
const Statement kNote = {
    "confirm_note", "INSERT INTO ledger_entries (kind, body) SELECT $1::text, unnest($2::text[])"};
const Statement kHoldResults = {
    "confirm_hold",
    "SELECT lot_id FROM lot_results WHERE lot_id = ANY ($1::bigint[]) ORDER BY lot_id FOR UPDATE"};
const Statement kCount = {
    "confirm_count",
    "UPDATE lot_results r SET confirmed = r.confirmed + n.confirmed, scrapped = r.scrapped + "
    "n.scrapped "
    "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (lot_id, confirmed, scrapped) "
    "WHERE r.lot_id = n.lot_id"};
// What scrapping does where the product says so. Whoever changes a claim's count holds its row
// before anything else of the lot.
const Statement kHoldClaims = {
    "confirm_hold_claims",
    "SELECT lot_id FROM lot_claims WHERE lot_id = ANY ($1::bigint[]) ORDER BY lot_id FOR UPDATE"};
const Statement kReturn = {
    "confirm_return",
    "WITH marked AS (UPDATE device_outcomes SET returned = true WHERE row = ANY ($3::bigint[])) "
    "UPDATE lot_claims c SET claimed = c.claimed - n.fewer "
    "FROM unnest($1::bigint[], $2::bigint[]) AS n (lot_id, fewer) WHERE c.lot_id = n.lot_id"};
const Statement kDoomed = {
    "confirm_doomed",
    "SELECT d.row, a.id, a.lot_id, coalesce(m.device_id, a.device_id), "
    "coalesce(m.dac_serial, a.dac_serial), coalesce(m.pai, a.pai), 3::bigint "
    "FROM devices d JOIN attempts a ON a.id = d.attempt_id "
    "LEFT JOIN attempts m ON m.id = a.module_attempt "
    "WHERE d.row = ANY ($1::bigint[]) ORDER BY d.row"};
// Within a lot the oldest come first by attempt, so that each call looks at `limit` rows a lot at
// most.
const Statement kWipeRetained = {
    "wipe_retained",
    "WITH due AS (SELECT c.lot_id, c.attempt_id FROM lots l CROSS JOIN LATERAL ("
    "SELECT lot_id, attempt_id, sealed_at FROM sealed_identities WHERE lot_id = l.id "
    "ORDER BY attempt_id LIMIT $1::bigint) c "
    "WHERE c.sealed_at <= now() - l.retention LIMIT $1::bigint), "
    // Only what is due is held, so that no confirmation waits for this.
    "held AS (SELECT s.lot_id, s.attempt_id FROM sealed_identities s JOIN due "
    "ON due.lot_id = s.lot_id AND due.attempt_id = s.attempt_id FOR UPDATE OF s SKIP LOCKED) "
    "DELETE FROM sealed_identities s USING held "
    "WHERE s.lot_id = held.lot_id AND s.attempt_id = held.attempt_id"};

struct Found {
  bool there = false;
  int64_t attempt_id = 0;
  std::string device_id;
  std::string line;
  int64_t row = 0;
  int64_t state = 0;
  std::string lot;
};

// One batch of confirmations inside one transaction.
class Confirming {
 public:
  using Results = std::vector<absl::StatusOr<db::ConfirmResult>>;

  Confirming(Transaction& transaction, std::span<const db::Confirmation> asked, Results& results)
      : transaction_(transaction), asked_(asked), results_(results), found_(asked.size()) {}

  void Run(const std::vector<size_t>& places) {
    Find(places);
    std::vector<size_t> wanted;
    for (const size_t place : places) {
      if (Decide(place)) wanted.push_back(place);
    }
    if (wanted.empty()) return transaction_.Discard();
    // One order for all who decide over the same devices.
    std::sort(wanted.begin(), wanted.end(),
              [&](size_t a, size_t b) { return found_[a].row < found_[b].row; });
    HoldClaims(wanted);
    const std::vector<size_t> ours = WriteOutcomes(wanted);
    if (ours.empty()) return transaction_.Discard();
    ScrapMates(ours);
    WipeAndNote(ours);
    Count(ours);
    Return(ours);
    Revoke(ours);
  }

 private:
  bool Returns(size_t place) const {
    return asked_[place].outcome == db::DeviceState::kScrapped && asked_[place].return_quota;
  }

  void HoldClaims(const std::vector<size_t>& wanted) {
    LotCounts lots;
    for (const size_t place : wanted) {
      if (Returns(place)) ++lots[asked_[place].lot_id];
    }
    if (!lots.empty()) transaction_.Run(kHoldClaims, Params().Ints(ColumnsOf(lots).lots));
  }

  void Return(const std::vector<size_t>& ours) {
    LotCounts fewer;
    std::vector<int64_t> rows;
    for (const size_t place : ours) {
      if (!Returns(place)) continue;
      ++fewer[asked_[place].lot_id];
      rows.push_back(found_[place].row);
    }
    if (rows.empty()) return;
    const LotColumns columns = ColumnsOf(fewer);
    transaction_.Run(kReturn, Params().Ints(columns.lots).Ints(columns.counts).Ints(rows));
  }

  // A DAC that was issued elsewhere is its issuer's to revoke: such a unit is only marked.
  void Revoke(const std::vector<size_t>& ours) {
    std::map<std::string, std::vector<int64_t>> by_actor;
    for (const size_t place : ours) {
      const db::Confirmation& asked = asked_[place];
      if (asked.outcome == db::DeviceState::kScrapped && asked.revoke) {
        by_actor[asked.actor].push_back(found_[place].row);
      }
    }
    for (const auto& [actor, device_rows] : by_actor) {
      const Rows rows = transaction_.Run(kDoomed, Params().Ints(device_rows));
      std::vector<Doomed> doomed;
      for (int i = 0; i < rows.size(); ++i) {
        Doomed one = DoomedAt(rows, i);
        if (!one.pai.empty() && !one.dac_serial.empty()) doomed.push_back(std::move(one));
      }
      if (!doomed.empty()) RevokeWithin(transaction_, doomed, db::kScrapRevocation, actor);
    }
  }

  void Find(const std::vector<size_t>& places) {
    std::vector<int64_t> lots;
    std::vector<std::string_view> tickets;
    for (const size_t place : places) {
      lots.push_back(asked_[place].lot_id);
      tickets.push_back(asked_[place].ticket);
    }
    const Rows rows = transaction_.Run(kFind, Params().Ints(lots).Texts(tickets));
    for (int i = 0; i < rows.size(); ++i) {
      found_[places[static_cast<size_t>(rows.Int(i, 0) - 1)]] = {
          true,           rows.Int(i, 1), rows.Text(i, 2), rows.Text(i, 3),
          rows.Int(i, 4), rows.Int(i, 5), rows.Text(i, 6)};
    }
  }

  // True when the outcome is to be written; otherwise the item has its answer.
  bool Decide(size_t place) {
    const Found& found = found_[place];
    const db::Confirmation& asked = asked_[place];
    if (!found.there) {
      results_[place] = RefuseField(Reason::TICKET_UNKNOWN, "ticket", asked.ticket,
                                    "no identity was sealed for it");
      return false;
    }
    if (!asked.line.empty() && asked.line != found.line) {
      results_[place] = db::TicketIsOfAnotherLine(asked.ticket);
      return false;
    }
    // Twice in one batch: the first decides.
    const int64_t outcome = static_cast<int64_t>(asked.outcome);
    const int64_t state =
        found.state == 1 && decided_.contains(found.row) ? decided_[found.row] : found.state;
    if (state == 1) {
      decided_[found.row] = outcome;
      return true;
    }
    results_[place] = After(place, state);
    return false;
  }

  absl::StatusOr<db::ConfirmResult> After(size_t place, int64_t state) const {
    if (state != static_cast<int64_t>(asked_[place].outcome)) {
      return db::OutcomeConflicts(asked_[place].outcome, static_cast<db::DeviceState>(state));
    }
    return db::ConfirmResult{found_[place].device_id, true};
  }

  std::vector<size_t> WriteOutcomes(const std::vector<size_t>& wanted) {
    std::vector<int64_t> rows, states;
    std::vector<std::string_view> actors;
    for (const size_t place : wanted) {
      rows.push_back(found_[place].row);
      states.push_back(static_cast<int64_t>(asked_[place].outcome));
      actors.push_back(asked_[place].actor);
    }
    const Rows written = transaction_.Run(kDecide, Params().Ints(rows).Ints(states).Texts(actors));
    std::vector<int64_t> won;
    for (int i = 0; i < written.size(); ++i) won.push_back(written.Int(i, 0));
    std::map<int64_t, int64_t> before;
    if (won.size() < wanted.size()) {
      const Rows decided = transaction_.Run(kDecided, Params().Ints(rows));
      for (int i = 0; i < decided.size(); ++i) before[decided.Int(i, 0)] = decided.Int(i, 1);
    }
    std::vector<size_t> ours;
    for (const size_t place : wanted) {
      const int64_t row = found_[place].row;
      if (std::find(won.begin(), won.end(), row) != won.end()) {
        results_[place] = db::ConfirmResult{found_[place].device_id, false};
        ours.push_back(place);
      } else {
        results_[place] = After(place, before[row]);
      }
    }
    return ours;
  }

  void ScrapMates(const std::vector<size_t>& ours) {
    std::vector<int64_t> attempts;
    std::vector<std::string_view> actors;
    for (const size_t place : ours) {
      if (asked_[place].outcome != db::DeviceState::kScrapped) continue;
      attempts.push_back(found_[place].attempt_id);
      actors.push_back(asked_[place].actor);
    }
    if (attempts.empty()) return;
    const Rows mates = transaction_.Run(kMates, Params().Ints(attempts).Texts(actors));
    std::vector<int64_t> rows;
    std::vector<std::string> names;
    for (int i = 0; i < mates.size(); ++i) {
      rows.push_back(mates.Int(i, 0));
      names.push_back(mates.Text(i, 4));
      mate_attempts_.push_back(mates.Int(i, 1));
      mate_lots_.push_back(mates.Int(i, 2));
      if (mates.Int(i, 3) == 2) --confirmed_[mates.Int(i, 2)];
      ++scrapped_[mates.Int(i, 2)];
    }
    if (rows.empty()) return;
    const std::vector<std::string_view> views(names.begin(), names.end());
    transaction_.Run(kScrapMates, Params().Ints(rows).Texts(views));
  }

  void WipeAndNote(const std::vector<size_t>& ours) {
    std::vector<int64_t> lots = mate_lots_, attempts = mate_attempts_;
    std::vector<std::string> entries;
    for (const size_t place : ours) {
      lots.push_back(asked_[place].lot_id);
      attempts.push_back(found_[place].attempt_id);
      entries.push_back(
          db::ConfirmEntry(asked_[place], found_[place].device_id, found_[place].lot));
    }
    transaction_.Run(kWipe, Params().Ints(lots).Ints(attempts));
    const std::vector<std::string_view> views(entries.begin(), entries.end());
    transaction_.Run(kNote, Params().Text(db::kConfirmEntry).Texts(views));
  }

  void Count(const std::vector<size_t>& ours) {
    for (const size_t place : ours) {
      const bool scrap = asked_[place].outcome == db::DeviceState::kScrapped;
      confirmed_[asked_[place].lot_id] += scrap ? 0 : 1;
      scrapped_[asked_[place].lot_id] += scrap ? 1 : 0;
    }
    // Both have the same lots, for the statement reads them side by side.
    for (const auto& [lot, count] : scrapped_) confirmed_.try_emplace(lot, 0);
    for (const auto& [lot, count] : confirmed_) scrapped_.try_emplace(lot, 0);
    const LotColumns first = ColumnsOf(confirmed_);
    const LotColumns second = ColumnsOf(scrapped_);
    if (first.lots.size() > 1) transaction_.Run(kHoldResults, Params().Ints(first.lots));
    transaction_.Run(kCount, Params().Ints(first.lots).Ints(first.counts).Ints(second.counts));
  }

  Transaction& transaction_;
  std::span<const db::Confirmation> asked_;
  Results& results_;
  std::vector<Found> found_;
  std::map<int64_t, int64_t> decided_;
  // The other rows of scrapped units, and what each lot counts.
  std::vector<int64_t> mate_lots_, mate_attempts_;
  LotCounts confirmed_, scrapped_;
};

}  // namespace

std::vector<absl::StatusOr<db::ConfirmResult>> PgStore::ConfirmDevices(
    std::span<const db::Confirmation> confirmations) {
  Confirming::Results results(confirmations.size(), db::ConfirmResult{});
  std::vector<size_t> places;
  for (size_t i = 0; i < confirmations.size(); ++i) {
    const db::Confirmation& asked = confirmations[i];
    if (!Storable(asked.ticket) || !Storable(asked.actor)) {
      results[i] =
          RefuseField(Reason::FIELD_MALFORMED, "ticket", "", "must be UTF-8 without a zero byte");
    } else if (asked.outcome != db::DeviceState::kProvisioned &&
               asked.outcome != db::DeviceState::kScrapped) {
      results[i] =
          RefuseField(Reason::FIELD_OUT_OF_RANGE, "outcome", "", "provisioned or scrapped");
    } else {
      places.push_back(i);
    }
  }
  if (places.empty()) return results;
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
    Confirming(transaction, confirmations, results).Run(places);
    return absl::OkStatus();
  });
  if (!status.ok()) {
    for (const size_t place : places) results[place] = status;
  }
  return results;
}

absl::StatusOr<int> PgStore::WipeRetained(int limit) {
  int wiped = 0;
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
    wiped = transaction.Run(kWipeRetained, Params().Int(limit)).affected();
    if (wiped == 0) transaction.Discard();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return wiped;
}

}  // namespace assay::pg
