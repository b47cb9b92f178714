#include "db/pg/whole_batch.h"

#include <algorithm>

#include "db/ledger_entry.h"
#include "db/pg/clash.h"

namespace assay::pg {
namespace {

constexpr char kUniqueViolation[] = "23505";
// A few lots at most are paused at once; more would be a sign of something else.
constexpr size_t kPausedLots = 1000;

// Elements by subscript, not unnest: seventeen set-returning functions side by side cost more than
// the rows. The lot's row is held from its update on, before anything else of the lot.
const Statement kClaimWhole = {
    "claim_whole",
    "WITH counted AS (UPDATE lot_claims SET claimed = claimed + $19::bigint "
    "WHERE lot_id = $18::bigint AND open AND leases = 0 AND capacity - claimed >= $19::bigint "
    "RETURNING lot_id), "
    "made AS (INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, "
    "serial_number, dac_serial, public_key_sha256, tbs_sha256, pai, dac_issuer, module_attempt, "
    "lease_id, setup_code_digest, rotating_id_digest, instance_id) "
    "SELECT ($1::bigint[])[i], ($2::text[])[i], ($3::text[])[i], ($4::text[])[i], "
    "($5::bytea[])[i], ($6::text[])[i], ($7::text[])[i], ($8::bytea[])[i], ($9::bytea[])[i], "
    "($10::bytea[])[i], ($11::text[])[i], ($13::bytea[])[i], ($14::bigint[])[i], "
    "($15::bigint[])[i], ($16::bytea[])[i], ($17::bytea[])[i], $12::text "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) q WHERE EXISTS (SELECT FROM counted) "
    "RETURNING id, ticket), "
    "opened AS (INSERT INTO open_intents (attempt_id, lot_id, instance_id) "
    "SELECT id, $18::bigint, $12::text FROM made) "
    "SELECT id, ticket FROM made"};

// Everything that needs no place in the lot comes before the lot's row is held, as in
// store_seal.cc: the count is raised only once the rows before it are written. From there to COMMIT
// the lot's other seals wait.
const Statement kSealWhole = {
    "seal_whole",
    "WITH held AS (SELECT attempt_id FROM open_intents WHERE attempt_id = ANY ($1::bigint[]) "
    "ORDER BY attempt_id FOR UPDATE), "
    "taken AS (DELETE FROM open_intents WHERE attempt_id = ANY (ARRAY (SELECT attempt_id FROM "
    "held)) AND lot_id = $2::bigint RETURNING attempt_id), "
    "noted AS (INSERT INTO ledger_entries (kind, body) SELECT $4::text, ($5::text[])[i] "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) q "
    "WHERE (SELECT count(*) FROM taken) = $3::bigint RETURNING true), "
    "kept AS (INSERT INTO sealed_identities (lot_id, attempt_id, sealed) "
    "SELECT $2::bigint, ($1::bigint[])[i], ($6::bytea[])[i] "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) q "
    "WHERE (SELECT count(*) FROM noted) = $3::bigint RETURNING true), "
    "counted AS (UPDATE lot_results SET sealed = sealed + $3::bigint WHERE lot_id = $2::bigint "
    "AND (SELECT count(*) FROM kept) = $3::bigint RETURNING sealed - $3::bigint AS before), "
    "made AS (INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, image_sha256, "
    "image_signature, codes) SELECT ($2::bigint << 32) + (SELECT before FROM counted) + i, "
    "($1::bigint[])[i], ($7::bigint[])[i], ($8::bytea[])[i], ($9::bytea[])[i], ($10::bytea[])[i], "
    "($11::bytea[])[i], ($12::bytea[])[i] "
    "FROM (SELECT generate_subscripts($1::bigint[], 1) AS i) q WHERE EXISTS (SELECT FROM counted) "
    "RETURNING row) "
    "INSERT INTO devices_waiting SELECT row FROM made"};

}  // namespace

bool WholeBatches::Worth(int64_t lot_id) {
  const std::lock_guard lock(mutex_);
  const auto pause = pauses_.find(lot_id);
  if (pause == pauses_.end()) return true;
  if (--pause->second == 0) pauses_.erase(pause);
  return false;
}

void WholeBatches::Failed(int64_t lot_id) {
  const std::lock_guard lock(mutex_);
  if (pauses_.size() >= kPausedLots) pauses_.clear();
  pauses_[lot_id] = kPause;
}

Params ClaimParams(std::span<const db::Intent> intents, std::span<const size_t> places,
                   std::span<const int64_t> leases, const std::string& instance_id) {
  std::vector<int64_t> lots, modules;
  std::vector<std::string_view> tickets, lines, actors, devices, serials, pais;
  std::vector<ByteView> digests, dac_serials, issuers, keys, tbs, setup_codes, rotating_ids;
  for (const size_t place : places) {
    const db::Intent& intent = intents[place];
    lots.push_back(intent.lot_id);
    tickets.push_back(intent.ticket);
    lines.push_back(intent.line);
    actors.push_back(intent.actor);
    digests.push_back(intent.request_digest);
    devices.push_back(intent.device_id);
    serials.push_back(intent.serial_number);
    dac_serials.push_back(intent.dac_serial);
    keys.push_back(DigestOrNothing(intent.public_key_sha256));
    tbs.push_back(intent.tbs_sha256);
    issuers.push_back(intent.dac_issuer);
    modules.push_back(intent.module_attempt);
    pais.push_back(intent.pai);
    setup_codes.push_back(intent.setup_code_digest);
    rotating_ids.push_back(intent.rotating_id_digest);
  }
  Params params;
  params.Ints(lots).Texts(tickets).Texts(lines).Texts(actors).Blobs(digests).Texts(devices);
  params.TextsOrNull(serials).BlobsOrNull(dac_serials).BlobsOrNull(keys).Blobs(tbs).Texts(pais);
  params.Text(instance_id).Blobs(issuers).Ints(modules).Ints(leases);
  return params.BlobsOrNull(setup_codes).BlobsOrNull(rotating_ids);
}

std::vector<int64_t> ClaimWhole(Transaction& transaction, std::span<const db::Intent> intents,
                                std::span<const size_t> places, const std::string& instance_id) {
  const std::vector<int64_t> leases(places.size(), 0);
  Params params = ClaimParams(intents, places, leases, instance_id);
  params.Int(intents[places.front()].lot_id).Int(static_cast<int64_t>(places.size()));
  std::vector<int64_t> ids;
  try {
    const Rows rows = transaction.Run(kClaimWhole, params);
    std::map<std::string, int64_t> made;
    for (int i = 0; i < rows.size(); ++i) made[rows.Text(i, 1)] = rows.Int(i, 0);
    if (made.size() != places.size()) return {};
    for (const size_t place : places) ids.push_back(made.at(intents[place].ticket));
  } catch (const pqxx::sql_error& thrown) {
    if (thrown.sqlstate() != kUniqueViolation) throw;
    return {};
  }
  return ids;
}

bool SealWhole(Transaction& transaction, std::span<const db::Seal> seals,
               std::span<const size_t> places) {
  std::vector<int64_t> attempts, discriminators;
  std::vector<std::string_view> entries;
  std::vector<ByteView> sealed, dac_digests, dacs, image_digests, signatures, codes;
  for (const size_t place : places) {
    const db::Seal& seal = seals[place];
    attempts.push_back(seal.attempt_id);
    entries.push_back(seal.ledger_entry);
    sealed.push_back(seal.sealed);
    discriminators.push_back(seal.row.discriminator);
    dac_digests.push_back(seal.row.dac_sha256);
    dacs.push_back(seal.row.dac);
    image_digests.push_back(seal.row.image_sha256);
    signatures.push_back(seal.row.image_signature);
    codes.push_back(seal.row.codes);
  }
  const auto count = static_cast<int64_t>(places.size());
  Params params = Params().Ints(attempts).Int(seals[places.front()].lot_id).Int(count);
  params.Text(db::kSealEntry).Texts(entries).Blobs(sealed).Ints(discriminators);
  params.Blobs(dac_digests).Blobs(dacs).Blobs(image_digests).Blobs(signatures).Blobs(codes);
  try {
    return transaction.Run(kSealWhole, params).affected() == count;
  } catch (const pqxx::sql_error& thrown) {
    if (thrown.sqlstate() != kUniqueViolation) throw;
    return false;
  }
}

}  // namespace assay::pg
