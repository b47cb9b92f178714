// The SQL of revocation_store.cc.
#pragma once

#include "db/pg/session.h"

namespace assay::pg {

inline const Statement kMakeIssuer = {
    "crl_make_issuer", "INSERT INTO crl_issuers (issuer) VALUES ($1::text) ON CONFLICT DO NOTHING"};
inline const Statement kHoldIssuer = {
    "crl_hold_issuer", "SELECT entries FROM crl_issuers WHERE issuer = $1::text FOR UPDATE"};
inline const Statement kAddEntries = {
    "revocation_add",
    "INSERT INTO revocations (issuer, number, serial, subject, reason, actor) "
    "SELECT $1::text, $2::bigint + row_number() OVER (ORDER BY q.place) - 1, q.serial, q.subject, "
    "$5::bigint, $6::text FROM unnest($3::bytea[], $4::text[]) WITH ORDINALITY "
    "AS q (serial, subject, place) WHERE NOT EXISTS (SELECT 1 FROM revocations v "
    "WHERE v.issuer = $1::text AND v.serial = q.serial)"};
inline const Statement kCountEntries = {
    "revocation_count",
    "UPDATE crl_issuers SET entries = entries + $2::bigint WHERE issuer = $1::text"};
inline const Statement kRevokeRows = {
    "revocation_rows",
    "INSERT INTO device_outcomes (row, state, actor, revoked_at) "
    "SELECT r.row, 4, $2::text, now() FROM (SELECT unnest($1::bigint[]) AS row "
    "UNION SELECT md.row FROM unnest($1::bigint[]) AS q (row) JOIN devices d ON d.row = q.row "
    "JOIN attempts a ON a.id = d.attempt_id JOIN devices md ON md.attempt_id = a.module_attempt "
    "UNION SELECT cd.row FROM unnest($1::bigint[]) AS q (row) JOIN devices d ON d.row = q.row "
    "JOIN attempts c ON c.module_attempt = d.attempt_id AND c.module_attempt <> 0 AND c.live "
    "JOIN devices cd ON cd.attempt_id = c.id ORDER BY row) r "
    "ON CONFLICT (row) DO UPDATE SET state = 4, revoked_at = now(), "
    "outcome = coalesce(device_outcomes.outcome, nullif(device_outcomes.state, 4))"};
inline const Statement kWipeRevoked = {
    "revocation_wipe",
    "DELETE FROM sealed_identities s USING (SELECT * FROM unnest($1::bigint[], $2::bigint[]) "
    "AS q (lot_id, attempt_id) UNION SELECT m.lot_id, m.id FROM unnest($2::bigint[]) AS q (id) "
    "JOIN attempts a ON a.id = q.id JOIN attempts m ON m.id = a.module_attempt "
    "UNION SELECT c.lot_id, c.id FROM unnest($2::bigint[]) AS q (id) JOIN attempts c "
    "ON c.module_attempt = q.id AND c.module_attempt <> 0 AND c.live) w "
    "WHERE s.lot_id = w.lot_id AND s.attempt_id = w.attempt_id"};
inline const Statement kFindDoomed = {
    "revocation_device",
    "SELECT d.row, a.id, a.lot_id, a.device_id, a.dac_serial, a.pai, coalesce(x.state, 1) "
    "FROM attempts a JOIN devices d ON d.attempt_id = a.id "
    "LEFT JOIN device_outcomes x ON x.row = d.row WHERE a.device_id = $1::text"};
inline const Statement kOfLot = {
    "revocation_of_lot",
    "SELECT d.row, a.id, a.lot_id, coalesce(m.device_id, a.device_id), "
    "coalesce(m.dac_serial, a.dac_serial), coalesce(m.pai, a.pai), coalesce(x.state, 1) "
    "FROM devices d JOIN attempts a ON a.id = d.attempt_id "
    "LEFT JOIN attempts m ON m.id = a.module_attempt "
    "LEFT JOIN device_outcomes x ON x.row = d.row "
    "WHERE d.row > $1::bigint AND d.row < $2::bigint ORDER BY d.row LIMIT $3::bigint"};

inline const Statement kHoldRevokedLot = {
    "revocation_hold_lot",
    "SELECT l.id FROM lots l JOIN lot_claims c ON c.lot_id = l.id WHERE l.name = $1::text "
    "FOR UPDATE OF c"};
inline const Statement kMarkLot = {
    "revocation_mark_lot",
    "INSERT INTO revoked_lots (lot_id, reason, actor) VALUES ($1::bigint, $2::bigint, $3::text) "
    "ON CONFLICT DO NOTHING"};
inline const Statement kCloseRevokedLot = {
    "revocation_close_lot", "UPDATE lot_claims SET open = false WHERE lot_id = $1::bigint"};
inline const Statement kClosedRevokedLot = {
    "revocation_closed_lot",
    "UPDATE lots SET closed_at = coalesce(closed_at, now()) WHERE id = $1::bigint"};
inline const Statement kRetirePai = {"revocation_retire_pai",
                                     "UPDATE pais SET state = 2 WHERE name = $1::text"};
inline const Statement kHoldSwept = {
    "revocation_hold_swept",
    "SELECT r.lot_id, r.reason, r.actor, r.swept_row, l.name FROM revoked_lots r "
    "JOIN lots l ON l.id = r.lot_id WHERE $1::text = '' OR l.name = $1::text "
    "ORDER BY r.lot_id FOR UPDATE OF r"};
inline const Statement kSwept = {
    "revocation_swept", "UPDATE revoked_lots SET swept_row = $2::bigint WHERE lot_id = $1::bigint"};

// A PAA's entries are those whose issuer begins with @.
inline const Statement kStanding = {
    "revocation_standing",
    "SELECT coalesce(x.state, 1) = 4 OR EXISTS (SELECT 1 FROM revoked_lots r "
    "WHERE r.lot_id = a.lot_id) OR EXISTS (SELECT 1 FROM attempts c JOIN revoked_lots r "
    "ON r.lot_id = c.lot_id WHERE c.module_attempt = a.id AND c.module_attempt <> 0 AND c.live), "
    "EXISTS (SELECT 1 FROM revocations v WHERE v.subject = a.pai "
    "AND left(v.issuer, 1) = '@') FROM attempts a JOIN devices d ON d.attempt_id = a.id "
    "LEFT JOIN device_outcomes x ON x.row = d.row WHERE a.device_id = $1::text"};

inline const Statement kIssuerState = {
    "crl_state",
    "SELECT entries, number, signer_key, signer_certificate FROM crl_issuers "
    "WHERE issuer = $1::text"};
inline const Statement kSetSigner = {
    "crl_set_signer",
    "UPDATE crl_issuers SET signer_key = $2::text, signer_certificate = $3::bytea "
    "WHERE issuer = $1::text"};
inline const Statement kTakeNumber = {
    "crl_take_number",
    "UPDATE crl_issuers SET number = greatest(number + 1, $2::bigint) WHERE issuer = $1::text "
    "RETURNING entries, number, signer_key, signer_certificate"};
inline const Statement kEntries = {
    "crl_entries",
    "SELECT number, serial, subject, reason, revoked_at FROM revocations "
    "WHERE issuer = $1::text AND number >= $2::bigint AND number < $2::bigint + $3::bigint "
    "ORDER BY number"};
inline const Statement kSaveCrl = {
    "crl_save",
    "INSERT INTO crls AS c (issuer, part, number, entries, parts, this_update, next_update, der, "
    "signer_certificate) VALUES ($1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, "
    "'epoch'::timestamptz + $6::bigint * interval '1 us', "
    "'epoch'::timestamptz + $7::bigint * interval '1 us', $8::bytea, $9::bytea) "
    "ON CONFLICT (issuer, part) DO UPDATE SET number = excluded.number, "
    "entries = excluded.entries, parts = excluded.parts, this_update = excluded.this_update, "
    "next_update = excluded.next_update, der = excluded.der, "
    "signer_certificate = excluded.signer_certificate WHERE c.number < excluded.number"};
inline const Statement kFindCrl = {
    "crl_find",
    "SELECT number, entries, parts, this_update, next_update, der, signer_certificate FROM crls "
    "WHERE issuer = $1::text AND part = $2::bigint"};

inline const Statement kForgetExpired = {
    "verification_forget",
    "DELETE FROM verifications WHERE device_id = $1::text AND verified_at IS NULL "
    "AND expires_at <= now()"};
inline const Statement kBegin = {
    "verification_begin",
    "INSERT INTO verifications (id, device_id, line, actor, nonce, challenge, expires_at) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea, $6::bytea, "
    "now() + $7::bigint * interval '1 s') RETURNING expires_at"};
inline const Statement kFindVerification = {
    "verification_find",
    "SELECT id, device_id, line, actor, nonce, challenge, expires_at, expires_at <= now(), "
    "evidence, result, passed, answer FROM verifications WHERE id = $1::text"};
inline const Statement kEnd = {
    "verification_end",
    "UPDATE verifications SET evidence = $2::bytea, result = $3::bigint, passed = $4::bigint = 1, "
    "answer = $5::bytea, verified_at = now() "
    "WHERE id = $1::text AND verified_at IS NULL AND expires_at > now()"};

inline const Statement kNote = {
    "revocation_note", "INSERT INTO ledger_entries (kind, body) VALUES ($1::text, $2::text)"};
inline const Statement kNotes = {
    "revocation_notes",
    "INSERT INTO ledger_entries (kind, body) SELECT $1::text, unnest($2::text[])"};

}  // namespace assay::pg
