#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/ledger_entry.h"
#include "db/pg/store_impl.h"

namespace assay::pg {
namespace {

const Statement kTake = {
    "intent_take",
    "WITH held AS (SELECT attempt_id FROM open_intents WHERE attempt_id = ANY ($1::bigint[]) "
    "ORDER BY attempt_id FOR UPDATE) "
    "DELETE FROM open_intents WHERE attempt_id = ANY (ARRAY (SELECT attempt_id FROM held)) "
    "RETURNING attempt_id, lot_id"};
// Everything that needs no place in the lot, before the lot's row is locked.
const Statement kKeep = {
    "seal_keep",
    "WITH noted AS (INSERT INTO ledger_entries (kind, body) SELECT $4::text, unnest($5::text[])) "
    "INSERT INTO sealed_identities (lot_id, attempt_id, sealed) "
    "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])"};
const Statement kHoldResults = {
    "seal_hold",
    "SELECT lot_id FROM lot_results WHERE lot_id = ANY ($1::bigint[]) ORDER BY lot_id FOR UPDATE"};
const Statement kCount = {
    "seal_count",
    "UPDATE lot_results r SET sealed = r.sealed + n.more FROM unnest($1::bigint[], $2::bigint[]) "
    "AS n (lot_id, more) WHERE r.lot_id = n.lot_id RETURNING r.lot_id, r.sealed"};
const Statement kSeal = {
    "seal",
    "WITH made AS (INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, "
    "image_sha256, image_signature, "
    "codes) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], "
    "$4::bytea[], $5::bytea[], "
    "$6::bytea[], $7::bytea[], $8::bytea[]) RETURNING row) "
    "INSERT INTO devices_waiting SELECT row FROM made ON CONFLICT DO NOTHING"};
const Statement kSealedAs = {"seal_before",
                             "SELECT attempt_id, dac_sha256, image_sha256 FROM devices WHERE "
                             "attempt_id = ANY ($1::bigint[])"};

const Statement kOpenAmong = {
    "void_lots", "SELECT DISTINCT lot_id FROM open_intents WHERE attempt_id = ANY ($1::bigint[])"};
const Statement kHoldClaims = {
    "void_hold",
    "SELECT lot_id FROM lot_claims WHERE lot_id = ANY ($1::bigint[]) ORDER BY lot_id FOR UPDATE"};
// The serial of a DAC that came with the request (nothing was to be signed: no TBS) is the
// request's to use again; one drawn here never is.
const Statement kVoid = {
    "void",
    "UPDATE attempts a SET live = false, voided_at = now(), void_reason = v.why, "
    "dac_serial = CASE WHEN a.tbs_sha256 = decode(repeat('00', 32), 'hex') THEN NULL "
    "ELSE a.dac_serial END "
    "FROM unnest($1::bigint[], $2::text[]) AS v (id, why) WHERE a.id = v.id "
    "RETURNING coalesce(a.lease_id, 0)"};
const Statement kUnuseLeases = {
    "void_leases",
    "UPDATE lot_leases l SET used = greatest(0, l.used - n.fewer) "
    "FROM unnest($1::bigint[], $2::bigint[]) AS n (id, fewer) WHERE l.id = n.id"};
const Statement kGiveBack = {
    "void_count",
    "UPDATE lot_claims c SET claimed = c.claimed - n.fewer FROM unnest($1::bigint[], $2::bigint[]) "
    "AS n (lot_id, fewer) WHERE c.lot_id = n.lot_id"};

// One batch of seals inside one transaction.
class Sealing {
 public:
  Sealing(Transaction& transaction, std::span<const db::Seal> seals,
          std::vector<absl::Status>& results)
      : transaction_(transaction), seals_(seals), results_(results) {}

  void Run(const std::vector<size_t>& places) {
    std::vector<int64_t> attempts;
    for (const size_t place : places) attempts.push_back(seals_[place].attempt_id);
    lot_of_ = TakeOpenIntents(transaction_, attempts);
    std::vector<size_t> ours, late;
    std::map<int64_t, bool> seen;
    for (const size_t place : places) {
      const int64_t attempt = seals_[place].attempt_id;
      const bool first = seen.emplace(attempt, true).second;
      (first && lot_of_.contains(attempt) ? ours : late).push_back(place);
    }
    if (ours.empty()) {
      transaction_.Discard();
    } else {
      Keep(ours);
      WriteRows(ours, Count(ours));
    }
    if (!late.empty()) Compare(late);
  }

 private:
  int64_t LotOf(size_t place) const { return lot_of_.at(seals_[place].attempt_id); }

  void Keep(const std::vector<size_t>& ours) {
    std::vector<int64_t> lots, attempts;
    std::vector<ByteView> sealed;
    std::vector<std::string_view> entries;
    for (const size_t place : ours) {
      lots.push_back(LotOf(place));
      attempts.push_back(seals_[place].attempt_id);
      sealed.push_back(seals_[place].sealed);
      entries.push_back(seals_[place].ledger_entry);
      results_[place] = absl::OkStatus();
    }
    transaction_.Run(
        kKeep,
        Params().Ints(lots).Ints(attempts).Blobs(sealed).Text(db::kSealEntry).Texts(entries));
  }

  // The first free place of each lot. From here to COMMIT the lots' other seals wait, so that rows
  // become visible in their order and a page never misses one.
  LotCounts Count(const std::vector<size_t>& ours) {
    LotCounts more;
    for (const size_t place : ours) ++more[LotOf(place)];
    const LotColumns columns = ColumnsOf(more);
    if (more.size() > 1) transaction_.Run(kHoldResults, Params().Ints(columns.lots));
    const Rows rows = transaction_.Run(kCount, Params().Ints(columns.lots).Ints(columns.counts));
    LotCounts next;
    for (int i = 0; i < rows.size(); ++i) {
      next[rows.Int(i, 0)] = rows.Int(i, 1) - more[rows.Int(i, 0)] + 1;
    }
    return next;
  }

  void WriteRows(const std::vector<size_t>& ours, LotCounts next) {
    std::vector<int64_t> row_numbers, attempts, discriminators;
    std::vector<ByteView> dac_digests, dacs, image_digests, signatures, codes;
    for (const size_t place : ours) {
      const db::ManifestRow& row = seals_[place].row;
      row_numbers.push_back((LotOf(place) << 32) + next[LotOf(place)]++);
      attempts.push_back(seals_[place].attempt_id);
      discriminators.push_back(row.discriminator);
      dac_digests.push_back(row.dac_sha256);
      dacs.push_back(row.dac);
      image_digests.push_back(row.image_sha256);
      signatures.push_back(row.image_signature);
      codes.push_back(row.codes);
    }
    transaction_.Run(kSeal, Params()
                                .Ints(row_numbers)
                                .Ints(attempts)
                                .Ints(discriminators)
                                .Blobs(dac_digests)
                                .Blobs(dacs)
                                .Blobs(image_digests)
                                .Blobs(signatures)
                                .Blobs(codes));
  }

  // Their intents were gone: sealed before, perhaps by ourselves with a lost reply, or voided.
  void Compare(const std::vector<size_t>& late) {
    std::vector<int64_t> attempts;
    for (const size_t place : late) attempts.push_back(seals_[place].attempt_id);
    const Rows rows = transaction_.Run(kSealedAs, Params().Ints(attempts));
    std::map<int64_t, std::pair<Sha256Digest, Sha256Digest>> sealed;
    for (int i = 0; i < rows.size(); ++i)
      sealed[rows.Int(i, 0)] = {rows.Digest(i, 1), rows.Digest(i, 2)};
    for (const size_t place : late) {
      const auto found = sealed.find(seals_[place].attempt_id);
      if (found == sealed.end()) {
        results_[place] =
            Refuse(Reason::TICKET_IN_FLIGHT, "the attempt was voided meanwhile; look again");
      } else if (found->second.first != seals_[place].row.dac_sha256 ||
                 found->second.second != seals_[place].row.image_sha256) {
        results_[place] = Refuse(Reason::INTERNAL, "the attempt was sealed with another identity");
      } else {
        results_[place] = absl::OkStatus();
      }
    }
  }

  Transaction& transaction_;
  std::span<const db::Seal> seals_;
  std::vector<absl::Status>& results_;
  std::map<int64_t, int64_t> lot_of_;
};

}  // namespace

std::map<int64_t, int64_t> TakeOpenIntents(Transaction& transaction,
                                           std::span<const int64_t> attempts) {
  std::map<int64_t, int64_t> taken;
  const Rows rows = transaction.Run(kTake, Params().Ints(attempts));
  for (int i = 0; i < rows.size(); ++i) taken[rows.Int(i, 0)] = rows.Int(i, 1);
  return taken;
}

int VoidWithin(Transaction& transaction, std::span<const int64_t> attempts,
               std::span<const std::string_view> reasons) {
  // The lots first, as claiming does: a claim of the same ticket waits for the lot, never for this
  // attempt.
  std::vector<int64_t> lots;
  const Rows open = transaction.Run(kOpenAmong, Params().Ints(attempts));
  for (int i = 0; i < open.size(); ++i) lots.push_back(open.Int(i, 0));
  if (lots.empty()) return 0;
  transaction.Run(kHoldClaims, Params().Ints(lots));
  const std::map<int64_t, int64_t> taken = TakeOpenIntents(transaction, attempts);
  if (taken.empty()) return 0;
  LotCounts fewer;
  std::vector<int64_t> ids;
  std::vector<std::string_view> why;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const auto lot = taken.find(attempts[i]);
    if (lot == taken.end()) continue;
    ids.push_back(attempts[i]);
    why.push_back(reasons[i]);
  }
  for (const auto& [attempt, lot] : taken) ++fewer[lot];
  const Rows voided = transaction.Run(kVoid, Params().Ints(ids).Texts(why));
  LotCounts leased;
  for (int i = 0; i < voided.size(); ++i) {
    if (voided.Int(i, 0) != 0) ++leased[voided.Int(i, 0)];
  }
  if (!leased.empty()) {
    const LotColumns leases = ColumnsOf(leased);
    transaction.Run(kUnuseLeases, Params().Ints(leases.lots).Ints(leases.counts));
  }
  const LotColumns columns = ColumnsOf(fewer);
  transaction.Run(kGiveBack, Params().Ints(columns.lots).Ints(columns.counts));
  return static_cast<int>(taken.size());
}

absl::Status PgStore::SealAllAtOnce(std::span<const db::Seal> seals,
                                    const std::vector<size_t>& places, bool& done) {
  done = false;
  const int64_t lot_id = seals[places.front()].lot_id;
  std::set<int64_t> attempts;
  for (const size_t place : places) {
    if (seals[place].lot_id != lot_id) return absl::OkStatus();
    attempts.insert(seals[place].attempt_id);
  }
  if (attempts.size() != places.size()) return absl::OkStatus();
  return Transact(pool_, [&](Transaction& transaction) {
    done = SealWhole(transaction, seals, places);
    if (!done) transaction.Discard();
    return absl::OkStatus();
  });
}

std::vector<absl::Status> PgStore::SealTickets(std::span<const db::Seal> seals) {
  std::vector<absl::Status> results(seals.size());
  std::vector<size_t> places;
  for (size_t i = 0; i < seals.size(); ++i) {
    if (!Storable(seals[i].ledger_entry)) {
      results[i] = Refuse(Reason::INTERNAL, "the ledger entry is not UTF-8");
    } else if (seals[i].row.discriminator > 4095) {
      results[i] = RefuseField(Reason::FIELD_OUT_OF_RANGE, "discriminator",
                               absl::StrCat(seals[i].row.discriminator), "0 to 4095");
    } else {
      places.push_back(i);
    }
  }
  if (places.empty()) return results;
  bool done = false;
  absl::Status status = SealAllAtOnce(seals, places, done);
  if (status.ok() && !done) {
    status = Transact(pool_, [&](Transaction& transaction) {
      Sealing(transaction, seals, results).Run(places);
      return absl::OkStatus();
    });
  }
  if (!status.ok()) {
    for (const size_t place : places) results[place] = status;
  }
  return results;
}

std::vector<absl::Status> PgStore::VoidAttempts(std::span<const db::Void> voids) {
  std::vector<int64_t> attempts;
  std::vector<std::string_view> reasons;
  for (const db::Void& one : voids) {
    attempts.push_back(one.attempt_id);
    reasons.push_back(Storable(one.why) ? std::string_view(one.why) : "INTERNAL");
  }
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
    if (VoidWithin(transaction, attempts, reasons) == 0) transaction.Discard();
    return absl::OkStatus();
  });
  return std::vector<absl::Status>(voids.size(), status);
}

}  // namespace assay::pg
