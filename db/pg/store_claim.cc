#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/clash.h"
#include "db/pg/store_impl.h"
#include "db/ticket_refusals.h"

namespace assay::pg {
namespace {

const Statement kHoldLots = {
    "claim_hold",
    "SELECT lot_id, open, capacity - claimed, leases FROM lot_claims WHERE lot_id = ANY "
    "($1::bigint[]) ORDER BY lot_id FOR UPDATE"};
// Asked once the lots are held: whoever changes a lease holds its lot. The clock and not the
// transaction's beginning, which may lie before a long wait for the lot.
const Statement kLeases = {
    "claim_leases",
    "SELECT id, lot_id, line, count - used FROM lot_leases WHERE lot_id = ANY ($1::bigint[]) "
    "AND released_at IS NULL AND expires_at > clock_timestamp() AND used < count "
    "ORDER BY expires_at, id"};
const Statement kUseLeases = {
    "claim_use_leases",
    "UPDATE lot_leases l SET used = l.used + n.more FROM unnest($1::bigint[], $2::bigint[]) "
    "AS n (id, more) WHERE l.id = n.id"};
// The claim, its open intent and the quota it takes, for those that clash with nothing.
const Statement kClaim = {
    "claim",
    "WITH made AS (INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, "
    "serial_number, dac_serial, public_key_sha256, tbs_sha256, pai, dac_issuer, module_attempt, "
    "lease_id, setup_code_digest, rotating_id_digest, instance_id) "
    "SELECT *, $12::text FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], "
    "$5::bytea[], "
    "$6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $13::bytea[], "
    "$14::bigint[], $15::bigint[], $16::bytea[], $17::bytea[]) "
    "ON CONFLICT DO NOTHING RETURNING id, lot_id, ticket), "
    "opened AS (INSERT INTO open_intents (attempt_id, lot_id, instance_id) "
    "SELECT id, lot_id, $12::text FROM made), "
    "counted AS (UPDATE lot_claims c SET claimed = c.claimed + n.made "
    "FROM (SELECT lot_id, count(*) AS made FROM made GROUP BY lot_id) n WHERE c.lot_id = n.lot_id) "
    "SELECT id, lot_id, ticket FROM made"};

std::string KeyOf(int64_t lot_id, std::string_view ticket) {
  return absl::StrCat(lot_id, "/", absl::string_view(ticket.data(), ticket.size()));
}

absl::Status CheckTexts(const db::Intent& intent) {
  for (const auto& [field, text] :
       {std::pair<const char*, const std::string*>{"ticket", &intent.ticket},
        {"line", &intent.line},
        {"actor", &intent.actor},
        {"device_id", &intent.device_id},
        {"serial_number", &intent.serial_number},
        {"pai", &intent.pai}}) {
    if (!Storable(*text)) {
      return RefuseField(Reason::FIELD_MALFORMED, field, "", "must be UTF-8 without a zero byte");
    }
  }
  return absl::OkStatus();
}

// One batch of intents inside one transaction.
class Claim {
 public:
  Claim(Transaction& transaction, std::span<const db::Intent> intents,
        const std::string& instance_id, ClaimResults& results)
      : transaction_(transaction),
        intents_(intents),
        instance_id_(instance_id),
        results_(results) {}

  // `places` are the items to claim, in order; each gets its result.
  void Run(const std::vector<size_t>& places) {
    HoldLots(places);
    std::vector<size_t> clashed = InsertAll(places);
    if (!clashed.empty() && FreeUnitValues(transaction_, intents_, clashed)) {
      clashed = InsertAll(clashed);
    }
    UseLeases();
    if (!clashed.empty()) ExplainClashes(transaction_, intents_, clashed, results_);
    if (made_ == 0) transaction_.Discard();
  }

 private:
  // Places a live lease keeps for its line.
  struct Lease {
    int64_t id = 0;
    std::string line;
    int64_t left = 0;
    int64_t wanted = 0;
    int64_t taken = 0;
  };
  struct Room {
    bool open = false;
    int64_t left = 0;  // in all
    int64_t wanted = 0;
    int64_t free = 0;  // of these, in no lease
    int64_t free_wanted = 0;
    std::vector<Lease> leases;
  };

  // Those that were not made. Where an item clashes, the room it did not take goes to the next that
  // waits.
  std::vector<size_t> InsertAll(std::vector<size_t> places) {
    std::vector<size_t> clashed;
    while (!places.empty()) {
      std::vector<size_t> wave, waiting;
      for (const size_t place : places) {
        if (!MayClaim(place)) {
          clashed.push_back(place);
          continue;
        }
        const auto lease = TakePlace(room_[intents_[place].lot_id], intents_[place].line);
        if (lease) {
          lease_of_[place] = *lease;
          wave.push_back(place);
        } else {
          waiting.push_back(place);
        }
      }
      if (wave.empty()) {
        for (const size_t place : waiting) {
          results_[place] =
              room_[intents_[place].lot_id].left > 0 ? db::RestIsLeased() : db::CountIsUsedUp();
          clashed.push_back(place);
        }
        break;
      }
      Insert(wave, clashed);
      places = std::move(waiting);
    }
    return clashed;
  }

  // A place for one more of this wave: the lease it comes from, 0 for none; nothing when there is
  // none.
  static std::optional<int64_t> TakePlace(Room& room, const std::string& line) {
    if (room.wanted >= room.left) return std::nullopt;
    for (Lease& lease : room.leases) {
      if (lease.line != line || lease.wanted >= lease.left) continue;
      ++lease.wanted;
      ++room.wanted;
      return lease.id;
    }
    if (room.free_wanted >= room.free) return std::nullopt;
    ++room.free_wanted;
    ++room.wanted;
    return 0;
  }

  static void Settle(Room& room, int64_t lease_id) {
    --room.left;
    if (lease_id == 0) --room.free;
    for (Lease& lease : room.leases) {
      if (lease.id != lease_id) continue;
      --lease.left;
      ++lease.taken;
    }
  }

  void UseLeases() {
    std::vector<int64_t> ids, more;
    for (const auto& [lot, room] : room_) {
      for (const Lease& lease : room.leases) {
        if (lease.taken == 0) continue;
        ids.push_back(lease.id);
        more.push_back(lease.taken);
      }
    }
    if (!ids.empty()) transaction_.Run(kUseLeases, Params().Ints(ids).Ints(more));
  }

  // Before anything else of the lots, in the order of their ids: the one order in which locks are
  // taken.
  void HoldLots(const std::vector<size_t>& places) {
    std::vector<int64_t> lots;
    for (const size_t place : places) lots.push_back(intents_[place].lot_id);
    const Rows rows = transaction_.Run(kHoldLots, Params().Ints(lots));
    std::vector<int64_t> leased;
    for (int i = 0; i < rows.size(); ++i) {
      room_[rows.Int(i, 0)] = {rows.Bool(i, 1), rows.Int(i, 2), 0, rows.Int(i, 2), 0, {}};
      if (rows.Int(i, 3) > 0) leased.push_back(rows.Int(i, 0));
    }
    if (leased.empty()) return;
    const Rows leases = transaction_.Run(kLeases, Params().Ints(leased));
    for (int i = 0; i < leases.size(); ++i) {
      Room& room = room_[leases.Int(i, 1)];
      room.leases.push_back({leases.Int(i, 0), leases.Text(i, 2), leases.Int(i, 3), 0, 0});
      room.free -= leases.Int(i, 3);
    }
  }

  bool MayClaim(size_t place) {
    const auto room = room_.find(intents_[place].lot_id);
    if (room == room_.end()) {
      results_[place] = Refuse(Reason::LOT_UNKNOWN, "no such lot");
      return false;
    }
    if (!room->second.open) {
      results_[place] = db::LotIsClosed();
      return false;
    }
    return true;
  }

  void Insert(const std::vector<size_t>& wave, std::vector<size_t>& clashed) {
    std::vector<int64_t> leases;
    for (const size_t place : wave) leases.push_back(lease_of_[place]);
    const Rows rows = transaction_.Run(kClaim, ClaimParams(intents_, wave, leases, instance_id_));
    std::unordered_map<std::string, int64_t> made;
    for (int i = 0; i < rows.size(); ++i)
      made[KeyOf(rows.Int(i, 1), rows.Text(i, 2))] = rows.Int(i, 0);
    for (auto& [lot, room] : room_) {
      room.wanted = room.free_wanted = 0;
      for (Lease& lease : room.leases) lease.wanted = 0;
    }
    for (const size_t place : wave) {
      const auto found = made.find(KeyOf(intents_[place].lot_id, intents_[place].ticket));
      if (found == made.end()) {
        clashed.push_back(place);
      } else {
        results_[place] = found->second;
        Settle(room_[intents_[place].lot_id], lease_of_[place]);
        ++made_;
      }
    }
  }

  Transaction& transaction_;
  std::span<const db::Intent> intents_;
  const std::string& instance_id_;
  ClaimResults& results_;
  std::map<int64_t, Room> room_;
  std::map<size_t, int64_t> lease_of_;  // by place
  int made_ = 0;
};

}  // namespace

absl::Status PgStore::ClaimAllAtOnce(std::span<const db::Intent> intents,
                                     const std::vector<size_t>& places,
                                     const std::string& instance_id,
                                     std::vector<absl::StatusOr<int64_t>>& results, bool& done) {
  done = false;
  const int64_t lot_id = intents[places.front()].lot_id;
  const bool one_lot = std::all_of(places.begin(), places.end(),
                                   [&](size_t place) { return intents[place].lot_id == lot_id; });
  if (!one_lot || !whole_claims_.Worth(lot_id)) return absl::OkStatus();
  std::vector<int64_t> ids;
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
    ids = ClaimWhole(transaction, intents, places, instance_id);
    if (ids.empty()) transaction.Discard();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  done = !ids.empty();
  if (!done) whole_claims_.Failed(lot_id);
  for (size_t i = 0; i < ids.size(); ++i) results[places[i]] = ids[i];
  return absl::OkStatus();
}

std::vector<absl::StatusOr<int64_t>> PgStore::RecordIntents(std::span<const db::Intent> intents,
                                                            const std::string& instance_id) {
  const ClaimResults unasked(intents.size(), absl::UnknownError("not run"));
  ClaimResults results = unasked;
  std::vector<size_t> places;
  std::unordered_map<std::string, size_t> first;
  ClaimResults refused = unasked;
  for (size_t i = 0; i < intents.size(); ++i) {
    if (const absl::Status texts = CheckTexts(intents[i]); !texts.ok()) {
      refused[i] = texts;
    } else if (!first.emplace(KeyOf(intents[i].lot_id, intents[i].ticket), i).second) {
      refused[i] =
          Refuse(Reason::TICKET_IN_FLIGHT, "another intent for the ticket came first; look again");
    } else {
      places.push_back(i);
    }
  }
  results = refused;
  if (places.empty()) return results;
  bool done = false;
  absl::Status status = ClaimAllAtOnce(intents, places, instance_id, results, done);
  if (status.ok() && done) return results;
  if (status.ok()) {
    status = Transact(pool_, [&](Transaction& transaction) {
      results = refused;
      Claim(transaction, intents, instance_id, results).Run(places);
      return absl::OkStatus();
    });
  }
  if (!status.ok()) {
    for (const size_t place : places) results[place] = status;
  }
  return results;
}

}  // namespace assay::pg
