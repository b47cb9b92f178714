// The statements by which a lost entry is entered again (reentry.h).
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "fsck/snapshot.h"

namespace assay::fsck::reentry {

// Microseconds since the epoch, as the store keeps times.
inline std::string Time(const char* parameter) {
  return absl::StrCat("'epoch'::timestamptz + ", parameter, "::bigint * interval '1 us'");
}

inline const Statement kLot = {
    "recover_lot",
    "SELECT l.id, coalesce((SELECT max(row & 4294967295) FROM devices WHERE row > l.id << 32 AND "
    "row < (l.id + 1) << 32), 0), l.wrapped_key FROM lots l WHERE l.name = $1::text"};
inline const Statement kProduct = {"recover_product",
                                   "SELECT spec, vendor_id, product_id, revision FROM products "
                                   "WHERE name = $1::text"};
inline const Statement kMakeProduct = {
    "recover_make_product",
    "INSERT INTO products (name, revision, vendor_id, product_id, spec) "
    "VALUES ($1::text, 1, $2::bigint, $3::bigint, $4::bytea)"};
inline const Statement kMakeLot = {
    "recover_make_lot",
    "WITH made AS (INSERT INTO lots (name, product, product_revision, spec, vendor_id, product_id, "
    "factory, retention, wrapped_key, closed_at) VALUES ($1::text, $2::text, $3::bigint, "
    "$4::bytea, $5::bigint, $6::bigint, $7::text, interval '30 days', $8::bytea, now()) "
    "RETURNING id), claims AS (INSERT INTO lot_claims (lot_id, open, capacity) "
    "SELECT id, false, 0 FROM made) INSERT INTO lot_results (lot_id) SELECT id FROM made"};
inline const Statement kLive = {
    "recover_live",
    "SELECT id, device_id, dac_serial FROM attempts WHERE lot_id = $1::bigint AND ticket = "
    "$2::text AND live"};
inline const Statement kModule = {"recover_module",
                                  "SELECT id FROM attempts WHERE device_id = $1::text"};
inline const Statement kVoid = {
    "recover_void",
    "UPDATE attempts SET live = false, voided_at = now(), void_reason = "
    "'RESTORED' WHERE id = $1::bigint"};
inline const Statement kCloseIntent = {"recover_close_intent",
                                       "DELETE FROM open_intents WHERE attempt_id = $1::bigint"};
inline const Statement kAttempt = {
    "recover_attempt",
    absl::StrCat(
        "INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, "
        "serial_number, dac_serial, public_key_sha256, tbs_sha256, pai, instance_id, "
        "dac_issuer, module_attempt, intended_at) VALUES ($1::bigint, $2::text, $3::text, "
        "$4::text, $5::bytea, $6::text, $7::text, $8::bytea, $9::bytea, $10::bytea, $11::text, "
        "'recovered', coalesce($12::bytea, ''::bytea), $13::bigint, ",
        Time("$14"), ") RETURNING id")};
inline const Statement kDevice = {
    "recover_device",
    absl::StrCat("INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, "
                 "image_sha256, image_signature, codes, sealed_at) VALUES ($1::bigint, "
                 "$2::bigint, $3::bigint, $4::bytea, $5::bytea, $6::bytea, $7::bytea, $8::bytea, ",
                 Time("$9"), ")")};
inline const Statement kMark = {
    "recover_mark", "INSERT INTO recovered_devices (row, source) VALUES ($1::bigint, $2::text)"};
inline const Statement kClaimed = {
    "recover_claimed",
    "UPDATE lot_claims SET capacity = greatest(capacity, claimed + $2::bigint), "
    "claimed = claimed + $2::bigint WHERE lot_id = $1::bigint"};
inline const Statement kSealed = {
    "recover_sealed", "UPDATE lot_results SET sealed = sealed + 1 WHERE lot_id = $1::bigint"};
inline const Statement kFindRow = {
    "recover_find_row",
    "SELECT d.row, a.id, a.lot_id FROM attempts a JOIN devices d ON d.attempt_id = a.id "
    "JOIN lots l ON l.id = a.lot_id WHERE l.name = $1::text AND a.ticket = $2::text AND a.live"};
inline const Statement kOutcome = {
    "recover_outcome",
    absl::StrCat("INSERT INTO device_outcomes (row, state, actor, confirmed_at, returned) "
                 "VALUES ($1::bigint, $2::bigint, $3::text, ",
                 Time("$4"), ", $5::bigint = 1) ON CONFLICT DO NOTHING RETURNING row")};
inline const Statement kCount = {
    "recover_count",
    "UPDATE lot_results SET confirmed = confirmed + $2::bigint, scrapped = scrapped + $3::bigint "
    "WHERE lot_id = $1::bigint"};
inline const Statement kReturned = {
    "recover_returned", "UPDATE lot_claims SET claimed = claimed - 1 WHERE lot_id = $1::bigint"};
inline const Statement kWipe = {
    "recover_wipe",
    "DELETE FROM sealed_identities WHERE lot_id = $1::bigint AND attempt_id = $2::bigint"};
inline const Statement kUnit = {
    "recover_unit",
    "SELECT d.row, a.id, a.lot_id, a.dac_serial, a.pai FROM attempts a "
    "JOIN devices d ON d.attempt_id = a.id WHERE a.device_id = $1::text "
    "UNION ALL SELECT d.row, c.id, c.lot_id, NULL, '' FROM attempts m "
    "JOIN attempts c ON c.module_attempt = m.id AND c.live JOIN devices d ON d.attempt_id = c.id "
    "WHERE m.device_id = $1::text AND m.module_attempt = 0 AND c.module_attempt <> 0"};
inline const Statement kRevokeRow = {
    "recover_revoke_row",
    absl::StrCat("INSERT INTO device_outcomes (row, state, actor, revoked_at) VALUES ($1::bigint, "
                 "4, $2::text, ",
                 Time("$3"),
                 ") ON CONFLICT (row) DO UPDATE SET outcome = coalesce(device_outcomes.outcome, "
                 "CASE WHEN device_outcomes.state IN (2, 3) THEN device_outcomes.state END), "
                 "state = 4, revoked_at = excluded.revoked_at")};
inline const Statement kIssuer = {
    "recover_issuer", "INSERT INTO crl_issuers (issuer) VALUES ($1::text) ON CONFLICT DO NOTHING"};
inline const Statement kRevocation = {
    "recover_revocation",
    absl::StrCat("INSERT INTO revocations (issuer, number, serial, subject, reason, actor, "
                 "revoked_at) SELECT issuer, entries, $2::bytea, $3::text, $4::bigint, $5::text, ",
                 Time("$6"),
                 " FROM crl_issuers WHERE issuer = $1::text AND NOT EXISTS (SELECT FROM "
                 "revocations v WHERE v.issuer = $1::text AND v.serial = $2::bytea)")};
inline const Statement kIssuerCount = {
    "recover_issuer_count", "UPDATE crl_issuers SET entries = entries + 1 WHERE issuer = $1::text"};
inline const Statement kCrlNumber = {
    "recover_crl_number",
    "UPDATE crl_issuers SET number = greatest(number, $2::bigint) WHERE issuer = $1::text"};
inline const Statement kCloseLot = {
    "recover_close_lot",
    "WITH closed AS (UPDATE lots SET closed_at = coalesce(closed_at, now()) WHERE name = $1::text "
    "RETURNING id) UPDATE lot_claims SET open = false WHERE lot_id IN (SELECT id FROM closed)"};
inline const Statement kRevokeLot = {
    "recover_revoke_lot",
    "INSERT INTO revoked_lots (lot_id, reason, actor) SELECT id, $2::bigint, $3::text FROM lots "
    "WHERE name = $1::text ON CONFLICT DO NOTHING"};
inline const Statement kPaiState = {"recover_pai_state",
                                    "UPDATE pais SET state = $2::bigint WHERE name = $1::text"};

}  // namespace assay::fsck::reentry
