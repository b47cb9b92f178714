-- Devices of a lot, as many as :rows, the way the store leaves them: each with its attempt, its certificate and
-- signature of full size, its outcome (nineteen of twenty are confirmed), and its ledger entries, which the sequencer of
-- a running assayd then gives their places. Those not confirmed keep a sealed identity. Indexes are made after
-- the rows, for speed, from their own definitions.
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '256MB';
SELECT id AS lot FROM lots WHERE name = :'lot_name' \gset
CREATE TEMP TABLE dropped AS
  SELECT i.indexrelid::regclass AS name, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
    AND i.indrelid IN ('attempts'::regclass, 'devices'::regclass);
SELECT format('DROP INDEX %s', name) FROM dropped \gexec
INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, serial_number, dac_serial,
                      public_key_sha256, tbs_sha256, pai, instance_id)
  SELECT :lot, 'fill-' || g, 'demo-1', 'spiffe://assay.local/line/demo-1', sha256((:lot || 'r' || g)::bytea),
         md5(:lot || 'd' || g), md5(:lot || 'n' || g), substring(sha256((:lot || 's' || g)::bytea) FROM 1 FOR 20),
         sha256((:lot || 'k' || g)::bytea), sha256((:lot || 'b' || g)::bytea), 'demo-fff1', 'bench'
  FROM generate_series(1, :rows) g;
INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, image_sha256, image_signature, codes, sealed_at)
  SELECT (:lot::bigint << 32) + q.n, q.id, q.n % 4096, sha256(q.ticket::bytea),
         decode(repeat('30', 300), 'hex') || '\x0603551d0e04160414'::bytea ||
           substring(sha256((:lot || q.ticket)::bytea) FROM 1 FOR 20) || decode(repeat('31', 120), 'hex'),
         sha256(q.ticket::bytea), decode(repeat('32', 700), 'hex'), decode(repeat('33', 60), 'hex'),
         now() - interval '1 ms' * (:rows - q.n)
  FROM (SELECT id, ticket, row_number() OVER (ORDER BY id) AS n FROM attempts WHERE lot_id = :lot AND ticket LIKE 'fill-%') q;
SELECT definition FROM dropped \gexec
INSERT INTO device_outcomes (row, state, actor, confirmed_at)
  SELECT row, 2, 'spiffe://assay.local/line/demo-1', sealed_at FROM devices WHERE row >> 32 = :lot AND row % 20 <> 0;
INSERT INTO sealed_identities (lot_id, attempt_id, sealed)
  SELECT :lot, attempt_id, decode(repeat('34', 4400), 'hex') FROM devices WHERE row >> 32 = :lot AND row % 20 = 0;
INSERT INTO ledger_entries (kind, body, device)
  SELECT 'device.seal', '{"fill":"' || repeat('5', 740) || '"}', device_id FROM attempts WHERE lot_id = :lot AND ticket LIKE 'fill-%';
INSERT INTO ledger_entries (kind, body, device)
  SELECT 'device.confirm', '{"fill":"' || repeat('6', 200) || '"}', a.device_id
  FROM attempts a JOIN devices d ON d.attempt_id = a.id
  WHERE a.lot_id = :lot AND a.ticket LIKE 'fill-%' AND d.row % 20 <> 0;
UPDATE lot_results SET sealed = sealed + :rows, confirmed = confirmed + :rows - :rows / 20 WHERE lot_id = :lot;
UPDATE lot_claims SET claimed = claimed + :rows WHERE lot_id = :lot;
