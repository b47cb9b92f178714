#include "db/pg/clash.h"

#include <string_view>

#include "base/refusal.h"
#include "db/ticket_refusals.h"

namespace assay::pg {
namespace {

const Statement kWhy = {
    "claim_why",
    "SELECT q.place, "
    "EXISTS (SELECT FROM attempts a WHERE a.lot_id = q.lot_id AND a.ticket = q.ticket AND a.live), "
    "EXISTS (SELECT FROM attempts a WHERE a.serial_number = q.serial_number AND a.lot_id = "
    "q.lot_id AND a.live), "
    "EXISTS (SELECT FROM attempts a WHERE a.public_key_sha256 = q.public_key AND a.live), "
    "EXISTS (SELECT FROM attempts a WHERE a.dac_serial = q.dac_serial AND a.dac_issuer = "
    "q.dac_issuer) OR EXISTS (SELECT FROM attempts a WHERE a.device_id = q.device_id), "
    "EXISTS (SELECT FROM attempts a WHERE a.module_attempt = q.module_attempt "
    "AND a.module_attempt <> 0 AND a.live), "
    "EXISTS (SELECT FROM attempts a WHERE a.setup_code_digest = q.setup_code AND a.live), "
    "EXISTS (SELECT FROM attempts a WHERE a.rotating_id_digest = q.rotating_id AND a.live) "
    "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], "
    "$7::bytea[], $8::bigint[], $9::bytea[], $10::bytea[]) "
    "WITH ORDINALITY AS q (lot_id, ticket, serial_number, public_key, dac_serial, device_id, "
    "dac_issuer, module_attempt, setup_code, rotating_id, place)"};
// A module and the attempt that completes it are one unit: what ended either ended both.
const Statement kFree = {
    "claim_free",
    "WITH held AS (SELECT a.id, a.serial_number, a.module_attempt, q.unit "
    "FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS q (setup_code, rotating_id, unit) "
    "JOIN attempts a ON a.setup_code_digest = q.setup_code AND a.live "
    "UNION SELECT a.id, a.serial_number, a.module_attempt, q.unit "
    "FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS q (setup_code, rotating_id, unit) "
    "JOIN attempts a ON a.rotating_id_digest = q.rotating_id AND a.live), "
    "ended AS (SELECT h.id FROM held h LEFT JOIN devices d ON d.attempt_id = h.id "
    "LEFT JOIN device_outcomes x ON x.row = d.row "
    "LEFT JOIN devices md ON md.attempt_id = h.module_attempt "
    "LEFT JOIN device_outcomes mx ON mx.row = md.row "
    "WHERE greatest(x.state, mx.state) >= 3 OR h.serial_number = h.unit) "
    "UPDATE attempts a SET setup_code_digest = NULL, rotating_id_digest = NULL "
    "WHERE a.id = ANY (ARRAY (SELECT id FROM ended)) RETURNING a.id"};

absl::Status WhyAt(const Rows& rows, int i, const db::Intent& intent) {
  if (rows.Bool(i, 1)) {
    return Refuse(Reason::TICKET_IN_FLIGHT, "another intent for the ticket came first; look again");
  }
  if (rows.Bool(i, 5)) {
    return RefuseField(Reason::MODULE_COMPLETED, "module", "",
                       "another ticket is completing this module");
  }
  if (rows.Bool(i, 2)) {
    return RefuseField(Reason::SERIAL_NUMBER_TAKEN, "serial_number", intent.serial_number,
                       "another unit of the lot has it");
  }
  if (rows.Bool(i, 3)) {
    return db::KeyIsReused();
  }
  for (const auto& [column, field] : {std::pair(6, "setup_code"), std::pair(7, "rotating_id")}) {
    if (rows.Bool(i, column)) {
      return RefuseField(Reason::VALUE_TAKEN, field, "", "another unit of the product has it");
    }
  }
  if (rows.Bool(i, 4)) {
    return Refuse(Reason::INTERNAL, "the drawn DAC serial or device id is taken; draw again");
  }
  // What it clashed with has gone since.
  return Refuse(Reason::TICKET_IN_FLIGHT, "another attempt ended meanwhile; look again");
}

}  // namespace

bool FreeUnitValues(Transaction& transaction, std::span<const db::Intent> intents,
                    const std::vector<size_t>& clashed) {
  std::vector<ByteView> setup_codes, rotating_ids;
  std::vector<std::string_view> units;
  for (const size_t place : clashed) {
    const db::Intent& intent = intents[place];
    if (intent.setup_code_digest.empty() && intent.rotating_id_digest.empty()) continue;
    setup_codes.push_back(intent.setup_code_digest);
    rotating_ids.push_back(intent.rotating_id_digest);
    units.push_back(intent.may_repeat_unit ? std::string_view(intent.serial_number)
                                           : std::string_view());
  }
  if (setup_codes.empty()) return false;
  return !transaction
              .Run(kFree,
                   Params().BlobsOrNull(setup_codes).BlobsOrNull(rotating_ids).TextsOrNull(units))
              .empty();
}

void ExplainClashes(Transaction& transaction, std::span<const db::Intent> intents,
                    const std::vector<size_t>& clashed, ClaimResults& results) {
  std::vector<int64_t> lots, modules;
  std::vector<std::string_view> tickets, serials, devices;
  std::vector<ByteView> keys, dac_serials, issuers, setup_codes, rotating_ids;
  for (const size_t place : clashed) {
    const db::Intent& intent = intents[place];
    lots.push_back(intent.lot_id);
    tickets.push_back(intent.ticket);
    serials.push_back(intent.serial_number);
    keys.push_back(DigestOrNothing(intent.public_key_sha256));
    dac_serials.push_back(intent.dac_serial);
    devices.push_back(intent.device_id);
    issuers.push_back(intent.dac_issuer);
    modules.push_back(intent.module_attempt);
    setup_codes.push_back(intent.setup_code_digest);
    rotating_ids.push_back(intent.rotating_id_digest);
  }
  const Rows rows = transaction.Run(kWhy, Params()
                                              .Ints(lots)
                                              .Texts(tickets)
                                              .TextsOrNull(serials)
                                              .BlobsOrNull(keys)
                                              .BlobsOrNull(dac_serials)
                                              .Texts(devices)
                                              .Blobs(issuers)
                                              .Ints(modules)
                                              .BlobsOrNull(setup_codes)
                                              .BlobsOrNull(rotating_ids));
  for (int i = 0; i < rows.size(); ++i) {
    const size_t place = clashed[static_cast<size_t>(rows.Int(i, 0) - 1)];
    const bool alive = rows.Bool(i, 1);
    if (alive || results[place].status().code() == absl::StatusCode::kUnknown) {
      results[place] = WhyAt(rows, i, intents[place]);
    }
  }
}

}  // namespace assay::pg
