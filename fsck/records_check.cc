#include "fsck/records_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace assay::fsck {
namespace {

constexpr char kSome[] = " LIMIT 51";

// What must be unique, and the index that keeps it so; where an index is gone or broken its promise
// is checked by counting.
struct Unique {
  const char* index;
  const char* table;
  const char* columns;
  const char* where;
};
constexpr Unique kUnique[] = {
    {"attempts_ticket", "attempts", "lot_id, ticket", "live"},
    {"attempts_serial_number", "attempts", "serial_number, lot_id",
     "live AND serial_number IS NOT NULL"},
    {"attempts_dac", "attempts", "dac_serial, dac_issuer", "dac_serial IS NOT NULL"},
    {"attempts_setup_code", "attempts", "setup_code_digest",
     "live AND setup_code_digest IS NOT NULL"},
    {"attempts_rotating_id", "attempts", "rotating_id_digest",
     "live AND rotating_id_digest IS NOT NULL"},
    {"devices_attempt_id_key", "devices", "attempt_id", "true"},
    {"ledger_entries_seq", "ledger_entries", "seq", "seq IS NOT NULL"},
};

// A statement of one column per problem: subject and what.
void Tell(Session& session, const char* name, const std::string& sql, Fault fault,
          Findings& findings) {
  const Rows rows = session.Run({name, sql});
  for (int i = 0; i < rows.size(); ++i) findings.Add(fault, rows.Text(i, 0), rows.Text(i, 1));
}

}  // namespace

absl::Status CheckIndexes(Session& session, Findings& findings) {
  static const Statement kIndex = {
      "fsck_index",
      "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = $1::text "
      "AND i.indisunique AND i.indisvalid AND i.indrelid = $2::text::regclass"};
  for (const Unique& unique : kUnique) {
    if (!session.Run(kIndex, Params().Text(unique.index).Text(unique.table)).empty()) continue;
    findings.Add(Fault::SCHEMA_INDEX, unique.index,
                 absl::StrCat("the unique index over ", unique.table, " (", unique.columns,
                              ") is missing or not valid"));
    const std::string sql = absl::StrCat(
        "SELECT concat_ws(' ', ", unique.columns, ")::text, count(*) FROM ", unique.table,
        " WHERE ", unique.where, " GROUP BY ", unique.columns, " HAVING count(*) > 1 LIMIT 51");
    const Rows rows = session.Run({unique.index, sql});
    for (int i = 0; i < rows.size(); ++i) {
      findings.Add(Fault::DEVICE_SERIAL, absl::StrCat(unique.columns, " ", rows.Text(i, 0)),
                   absl::StrCat("stands in ", rows.Int(i, 1), " rows of ", unique.table));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLots(Session& session, const Facts& facts, Findings& findings) {
  static const Statement kCounted = {
      "fsck_counted",
      "SELECT l.id, coalesce(a.live, 0), coalesce(d.devices, 0), coalesce(d.highest, 0), "
      "coalesce(d.provisioned, 0), coalesce(d.scrapped, 0), coalesce(d.returned, 0), "
      "coalesce(d.decided, 0) FROM lots l "
      "LEFT JOIN (SELECT lot_id, count(*) AS live FROM attempts WHERE live GROUP BY lot_id) a "
      "ON a.lot_id = l.id "
      "LEFT JOIN (SELECT d.row >> 32 AS lot_id, count(*) AS devices, "
      "max(d.row & 4294967295) AS highest, "
      "count(*) FILTER (WHERE coalesce(x.outcome, x.state) = 2) AS provisioned, "
      "count(*) FILTER (WHERE coalesce(x.outcome, x.state) = 3) AS scrapped, "
      "count(*) FILTER (WHERE x.returned) AS returned, "
      "count(*) FILTER (WHERE x.confirmed_at IS NOT NULL) AS decided "
      "FROM devices d LEFT JOIN device_outcomes x ON x.row = d.row GROUP BY 1) d "
      "ON d.lot_id = l.id"};
  const Rows rows = session.Run(kCounted);
  for (int i = 0; i < rows.size(); ++i) {
    const auto found = facts.lots.find(rows.Int(i, 0));
    if (found == facts.lots.end()) continue;
    const LotFacts& lot = found->second;
    const auto count = [&](int column) { return static_cast<uint64_t>(rows.Int(i, column)); };
    const auto differ = [&](const char* what, uint64_t kept, uint64_t counted) {
      if (kept == counted) return;
      findings.Add(Fault::LOT_COUNTS, absl::StrCat("lot ", lot.name),
                   absl::StrCat(what, " says ", kept, ", but ", counted, " are there"));
    };
    differ("claimed", lot.claimed, count(1) - std::min(count(1), count(6)));
    differ("sealed", lot.sealed, count(2));
    // Who was revoked after the line had spoken, before its word was kept, is only in the sum.
    differ("confirmed and scrapped together", lot.confirmed + lot.scrapped, count(7));
    if (count(4) > lot.confirmed) differ("confirmed", lot.confirmed, count(4));
    if (count(5) > lot.scrapped) differ("scrapped", lot.scrapped, count(5));
    if (count(3) > count(2)) {
      findings.Add(Fault::DEVICE_ROWS, absl::StrCat("lot ", lot.name),
                   absl::StrCat(count(2), " devices, but the last is number ", count(3)));
    }
    if (count(1) - std::min(count(1), count(6)) > lot.capacity) {
      findings.Add(Fault::LOT_QUOTA, absl::StrCat("lot ", lot.name),
                   absl::StrCat(count(1) - count(6), " are claimed of ", lot.capacity));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAttempts(Session& session, const Facts&, Findings& findings,
                           RecordCounts& counts) {
  Tell(session, "fsck_lost",
       absl::StrCat("SELECT 'attempt ' || a.id, 'ticket ' || a.ticket || ' has neither a device "
                    "nor an open intent' FROM attempts a "
                    "LEFT JOIN devices d ON d.attempt_id = a.id "
                    "LEFT JOIN open_intents o ON o.attempt_id = a.id WHERE a.live AND "
                    "d.attempt_id IS NULL AND o.attempt_id IS NULL ORDER BY a.id",
                    kSome),
       Fault::ATTEMPT_LOST, findings);
  Tell(session, "fsck_orphans",
       absl::StrCat("SELECT 'attempt ' || o.attempt_id, CASE WHEN a.id IS NULL THEN 'has an open "
                    "intent, but is missing' WHEN NOT a.live THEN 'was voided, but its intent is "
                    "open' ELSE 'is sealed, but its intent is open' END FROM open_intents o "
                    "LEFT JOIN attempts a ON a.id = o.attempt_id "
                    "LEFT JOIN devices d ON d.attempt_id = o.attempt_id "
                    "WHERE a.id IS NULL OR NOT a.live OR d.attempt_id IS NOT NULL",
                    kSome),
       Fault::ATTEMPT_ORPHAN, findings);
  static const Statement kOpen = {
      "fsck_open",
      "SELECT count(*) FILTER (WHERE i.lease_until > now()), "
      "count(*) FILTER (WHERE i.lease_until IS NULL OR i.lease_until <= now()), "
      "(SELECT count(*) FROM attempts WHERE NOT live) "
      "FROM open_intents o LEFT JOIN instances i USING (instance_id)"};
  const Rows open = session.Run(kOpen);
  counts.open_attempts = static_cast<uint64_t>(open.Int(0, 0));
  counts.dead_attempts = static_cast<uint64_t>(open.Int(0, 1));
  counts.voided_attempts = static_cast<uint64_t>(open.Int(0, 2));
  return absl::OkStatus();
}

absl::Status CheckWipes(Session& session, Findings& findings) {
  Tell(session, "fsck_seal_orphans",
       absl::StrCat("SELECT 'attempt ' || s.attempt_id, 'has a sealed identity, but no device' "
                    "FROM sealed_identities s LEFT JOIN devices d USING (attempt_id) "
                    "WHERE d.attempt_id IS NULL",
                    kSome),
       Fault::SEAL_ORPHAN, findings);
  Tell(session, "fsck_outcome_orphans",
       absl::StrCat("SELECT 'row ' || x.row, 'has an outcome, but no device' FROM device_outcomes "
                    "x LEFT JOIN devices d USING (row) WHERE d.row IS NULL",
                    kSome),
       Fault::OUTCOME_ORPHAN, findings);
  // An outcome without its device is told above.
  Tell(session, "fsck_undecided",
       absl::StrCat("SELECT 'row ' || coalesce(d.row, w.row), CASE WHEN w.row IS NULL THEN 'waits "
                    "for its outcome, but is not listed as waiting' ELSE 'is listed as waiting for "
                    "its outcome, but has one or is no device' END FROM (SELECT d.row FROM devices "
                    "d LEFT JOIN device_outcomes x USING (row) WHERE x.row IS NULL) d "
                    "FULL JOIN devices_waiting w ON w.row = d.row "
                    "WHERE d.row IS NULL OR w.row IS NULL",
                    kSome),
       Fault::DEVICE_WAITING, findings);
  static const Statement kDead = {
      "fsck_dead_rows",
      "SELECT coalesce(n_dead_tup, 0), n_live_tup FROM pg_stat_user_tables "
      "WHERE relname = 'sealed_identities'"};
  const Rows dead = session.Run(kDead);
  if (!dead.empty() && dead.Int(0, 0) > 1000 && dead.Int(0, 0) > dead.Int(0, 1)) {
    findings.Note(absl::StrCat("about ", dead.Int(0, 0),
                               " wiped identities still lie, encrypted, on the disk until "
                               "PostgreSQL vacuums sealed_identities"));
  }
  return absl::OkStatus();
}

absl::Status CheckActs(Session& session, const LedgerReading& ledger, Findings& findings) {
  static const Statement kActs = {"fsck_acts", "SELECT kind, subject, actor, digest FROM acts"};
  const Rows rows = session.Run(kActs);
  for (int i = 0; i < rows.size(); ++i) {
    if (ledger.requests.contains(ToHex(rows.Digest(i, 3)))) continue;
    findings.Add(Fault::LEDGER_ACT, absl::StrCat(rows.Text(i, 0), " of ", rows.Text(i, 1)),
                 absl::StrCat("done by ", rows.Text(i, 2), ", but the ledger does not tell of it"));
  }
  return absl::OkStatus();
}

}  // namespace assay::fsck
