#include "db/pg/device_history.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pg {
namespace {

// The attempt that was sealed, and what completed it as a module: each with its lot.
const Statement kUnit = {
    "history_unit",
    "SELECT a.id, a.lot_id, a.ticket, l.name, l.product, a.pai, d.row FROM attempts a "
    "JOIN devices d ON d.attempt_id = a.id JOIN lots l ON l.id = a.lot_id "
    "WHERE a.device_id = $1::text OR a.module_attempt IN (SELECT id FROM attempts "
    "WHERE device_id = $1::text) AND a.module_attempt <> 0 ORDER BY a.id"};
const Statement kAttempts = {
    "history_attempts",
    "SELECT a.intended_at, a.actor, a.line, a.serial_number, a.dac_serial, a.pai, a.instance_id, "
    "a.voided_at, a.void_reason, d.sealed_at, d.dac_sha256, d.image_sha256 FROM attempts a "
    "LEFT JOIN devices d ON d.attempt_id = a.id "
    "WHERE a.id IN (SELECT id FROM attempts WHERE lot_id = $1::bigint AND ticket = $2::text AND "
    "live UNION ALL SELECT id FROM attempts WHERE lot_id = $1::bigint AND ticket = $2::text AND "
    "NOT live) ORDER BY a.id"};
const Statement kOutcome = {
    "history_outcome",
    "SELECT x.state, coalesce(x.outcome, 0), x.actor, x.confirmed_at, x.revoked_at, x.returned "
    "FROM device_outcomes x WHERE x.row = $1::bigint"};
const Statement kRevocations = {
    "history_revocations",
    "SELECT issuer, number, reason, actor, revoked_at FROM revocations WHERE subject = $1::text"};
const Statement kVerifications = {
    "history_verifications",
    "SELECT line, actor, passed, result, verified_at FROM verifications "
    "WHERE device_id = $1::text AND verified_at IS NOT NULL"};
const Statement kActs = {"history_acts",
                         "SELECT kind, subject, actor, done_at FROM acts "
                         "WHERE kind LIKE 'lot.%' AND subject = $1::text "
                         "OR kind LIKE 'product.%' AND subject = $2::text "
                         "OR kind LIKE 'pai.%' AND subject = $3::text "
                         "OR subject = $4::text"};
const Statement kEntries = {
    "history_entries",
    "SELECT coalesce(seq, -1), kind, created_at FROM ledger_entries WHERE device = $1::text"};

class History {
 public:
  History(Session& session, const std::string& device_id) : session_(session), id_(device_id) {}

  absl::StatusOr<std::vector<db::DeviceEvent>> Read() {
    const Rows units = session_.Run(kUnit, Params().Text(Storable(id_) ? id_ : ""));
    if (units.empty()) {
      return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", id_, "no such device");
    }
    for (int i = 0; i < units.size(); ++i) {
      ReadAttempts(units.Int(i, 1), units.Text(i, 2), units.Text(i, 3));
      ReadOutcome(units.Int(i, 6), units.Text(i, 3));
      ReadActs(units.Text(i, 3), units.Text(i, 4), units.Text(i, 5), i == 0);
    }
    ReadRevocations();
    ReadVerifications();
    ReadEntries();
    std::stable_sort(events_.begin(), events_.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return std::move(events_);
  }

 private:
  void Add(absl::Time at, std::string what, std::string actor, std::string detail) {
    events_.push_back({at, std::move(what), std::move(actor), std::move(detail), std::nullopt});
  }

  void ReadAttempts(int64_t lot_id, const std::string& ticket, const std::string& lot) {
    const Rows rows = session_.Run(kAttempts, Params().Int(lot_id).Text(ticket));
    for (int i = 0; i < rows.size(); ++i) {
      const Bytes serial = rows.Blob(i, 4);
      Add(rows.Time(i, 0), "intent", rows.Text(i, 1),
          absl::StrCat("lot ", lot, ", ticket ", ticket, ", line ", rows.Text(i, 2),
                       rows.IsNull(i, 3) ? "" : absl::StrCat(", serial number ", rows.Text(i, 3)),
                       serial.empty() ? "" : absl::StrCat(", DAC serial ", ToUpperHex(serial)),
                       rows.Text(i, 5).empty() ? "" : absl::StrCat(", PAI ", rows.Text(i, 5)),
                       ", replica ", rows.Text(i, 6)));
      if (!rows.IsNull(i, 7)) Add(rows.Time(i, 7), "void", "", rows.Text(i, 8));
      if (!rows.IsNull(i, 9)) {
        Add(rows.Time(i, 9), "seal", rows.Text(i, 1),
            absl::StrCat("DAC SHA-256 ", ToHex(rows.Digest(i, 10)), ", image SHA-256 ",
                         ToHex(rows.Digest(i, 11))));
      }
    }
  }

  void ReadOutcome(int64_t row, const std::string& lot) {
    const Rows rows = session_.Run(kOutcome, Params().Int(row));
    if (rows.empty()) return;
    int64_t said = rows.Int(0, 0) == 4 ? rows.Int(0, 1) : rows.Int(0, 0);
    if (said == 0 && !rows.IsNull(0, 3)) said = 2;
    if (said != 0 && !rows.IsNull(0, 3)) {
      Add(rows.Time(0, 3), said == 3 ? "scrap" : "confirm", rows.Text(0, 2),
          absl::StrCat("lot ", lot,
                       rows.Bool(0, 5) ? ", its place in the lot's count is free again" : ""));
    }
    if (!rows.IsNull(0, 4)) revoked_at_ = rows.Time(0, 4);
  }

  void ReadRevocations() {
    const Rows rows = session_.Run(kRevocations, Params().Text(id_));
    for (int i = 0; i < rows.size(); ++i) {
      Add(rows.Time(i, 4), "revoke", rows.Text(i, 3),
          absl::StrCat("issuer ", rows.Text(i, 0), ", entry ", rows.Int(i, 1), ", reason ",
                       rows.Int(i, 2)));
    }
    if (rows.empty() && revoked_at_) {
      Add(*revoked_at_, "revoke", "", "without an entry: it has no certificate of ours");
    }
  }

  void ReadVerifications() {
    const Rows rows = session_.Run(kVerifications, Params().Text(id_));
    for (int i = 0; i < rows.size(); ++i) {
      Add(rows.Time(i, 4), "verify", rows.Text(i, 1),
          absl::StrCat(rows.Bool(i, 2) ? "passed" : "failed", ", result ", rows.Int(i, 3),
                       ", line ", rows.Text(i, 0)));
    }
  }

  void ReadActs(const std::string& lot, const std::string& product, const std::string& pai,
                bool first) {
    const Rows rows = session_.Run(
        kActs, Params().Text(lot).Text(product).Text(pai).Text(first ? id_ : std::string()));
    for (int i = 0; i < rows.size(); ++i) {
      Add(rows.Time(i, 3), rows.Text(i, 0), rows.Text(i, 2), rows.Text(i, 1));
    }
  }

  // Each entry stands beside what it tells of, or by itself.
  void ReadEntries() {
    static const auto* const kNames = new std::map<std::string, std::vector<std::string>>{
        {"device.seal", {"seal"}},
        {"device.confirm", {"confirm", "scrap"}},
        {"device.verify", {"verify"}},
        {"device.revoke", {"revoke"}}};
    const Rows rows = session_.Run(kEntries, Params().Text(id_));
    for (int i = 0; i < rows.size(); ++i) {
      if (rows.Int(i, 0) < 0) continue;
      const std::string kind = rows.Text(i, 1);
      const auto names = kNames->find(kind);
      const auto event = std::find_if(events_.begin(), events_.end(), [&](const auto& one) {
        if (one.ledger_index) return false;
        if (one.what == kind) return true;
        return names != kNames->end() && std::find(names->second.begin(), names->second.end(),
                                                   one.what) != names->second.end();
      });
      if (event != events_.end()) {
        event->ledger_index = static_cast<uint64_t>(rows.Int(i, 0));
      } else {
        events_.push_back(
            {rows.Time(i, 2), "ledger", "", kind, static_cast<uint64_t>(rows.Int(i, 0))});
      }
    }
  }

  Session& session_;
  const std::string& id_;
  std::vector<db::DeviceEvent> events_;
  std::optional<absl::Time> revoked_at_;
};

}  // namespace

absl::StatusOr<std::vector<db::DeviceEvent>> ReadHistory(Session& session,
                                                         const std::string& device_id) {
  return History(session, device_id).Read();
}

}  // namespace assay::pg
