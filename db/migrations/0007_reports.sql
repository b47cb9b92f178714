-- works-with: 1
-- What other programs may read (docs/audit.md, "SQL for reports"), what witnesses said about checkpoints, and which
-- devices were entered again after a restore.

-- A witness's line under a checkpoint (c2sp.org/tlog-cosignature), as it stands in the note.
CREATE TABLE ledger_cosignatures (
  size         bigint NOT NULL,
  name         text NOT NULL,
  key_id       bytea NOT NULL,
  verifier_key text NOT NULL,
  line         text NOT NULL,
  actor        text NOT NULL,
  cosigned_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (size, name, key_id)
);

-- Devices whose rows were made from the ledger's copy and the line's folders, not by issuing.
CREATE TABLE recovered_devices (
  row          bigint PRIMARY KEY,
  source       text NOT NULL,  -- 'ledger': digests only; 'folder': with certificate and signature
  recovered_at timestamptz NOT NULL DEFAULT now()
);

CREATE SCHEMA report;

CREATE VIEW report.products AS
  SELECT name, revision, vendor_id, product_id, updated_at FROM products;

CREATE VIEW report.lots AS
  SELECT l.name AS lot, l.product, l.product_revision, l.vendor_id, l.product_id, l.factory,
         CASE WHEN c.open THEN 'open' ELSE 'closed' END AS state,
         c.capacity AS count, c.claimed, r.sealed, r.confirmed, r.scrapped,
         l.retention, l.opened_at, l.closed_at, v.revoked_at
  FROM lots l JOIN lot_claims c ON c.lot_id = l.id JOIN lot_results r ON r.lot_id = l.id
  LEFT JOIN revoked_lots v ON v.lot_id = l.id;

CREATE VIEW report.devices AS
  SELECT a.device_id, l.name AS lot, l.product, l.vendor_id, l.product_id, l.factory, a.line, a.actor, a.ticket,
         a.serial_number, encode(a.dac_serial, 'hex') AS dac_serial, encode(d.dac_sha256, 'hex') AS dac_sha256,
         encode(a.public_key_sha256, 'hex') AS public_key_sha256, a.pai,
         encode(d.image_sha256, 'hex') AS image_sha256,
         CASE coalesce(x.state, 1) WHEN 1 THEN 'sealed' WHEN 2 THEN 'provisioned' WHEN 3 THEN 'scrapped'
           ELSE 'revoked' END AS state,
         a.intended_at, d.sealed_at, x.confirmed_at, x.revoked_at, x.actor AS decided_by,
         r.source AS recovered_from, d.row
  FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN lots l ON l.id = a.lot_id
  LEFT JOIN device_outcomes x ON x.row = d.row LEFT JOIN recovered_devices r ON r.row = d.row;

-- By lot, line and hour of sealing: what a shift's report is added up from.
CREATE VIEW report.lines AS
  SELECT l.factory, l.name AS lot, l.product, a.line, date_trunc('hour', d.sealed_at) AS hour,
         count(*) AS issued,
         count(*) FILTER (WHERE x.state = 2) AS provisioned,
         count(*) FILTER (WHERE x.state = 3) AS scrapped,
         count(*) FILTER (WHERE x.state = 4) AS revoked,
         count(*) FILTER (WHERE x.state IS NULL) AS missing
  FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN lots l ON l.id = a.lot_id
  LEFT JOIN device_outcomes x ON x.row = d.row
  GROUP BY l.factory, l.name, l.product, a.line, date_trunc('hour', d.sealed_at);

-- Every intent to sign, with those that died: their DAC serial numbers are never used again.
CREATE VIEW report.attempts AS
  SELECT a.id, l.name AS lot, l.factory, a.line, a.actor, a.ticket, a.device_id, a.serial_number,
         encode(a.dac_serial, 'hex') AS dac_serial, encode(a.tbs_sha256, 'hex') AS tbs_sha256, a.pai, a.instance_id,
         CASE WHEN NOT a.live THEN 'voided' WHEN d.attempt_id IS NOT NULL THEN 'sealed' ELSE 'open' END AS state,
         a.intended_at, a.voided_at, a.void_reason
  FROM attempts a JOIN lots l ON l.id = a.lot_id LEFT JOIN devices d ON d.attempt_id = a.id;

CREATE VIEW report.pais AS
  SELECT name AS pai, vendor_id, product_id,
         CASE state WHEN 0 THEN 'pending' WHEN 1 THEN 'active' ELSE 'retired' END AS state,
         key_label, encode(sha256(public_key), 'hex') AS public_key_sha256, certificate, created_at
  FROM pais;

CREATE VIEW report.revocations AS
  SELECT issuer, number, encode(serial, 'hex') AS serial, subject, reason, actor, revoked_at FROM revocations;

CREATE VIEW report.crls AS
  SELECT issuer, part, parts, number, entries, this_update, next_update, encode(sha256(der), 'hex') AS crl_sha256
  FROM crls;

CREATE VIEW report.verifications AS
  SELECT id, device_id, line, actor, result, passed, expires_at, verified_at FROM verifications;

CREATE VIEW report.acts AS
  SELECT id, actor, request_id, kind, subject, encode(digest, 'hex') AS request_sha256, done_at FROM acts;

CREATE VIEW report.ledger AS
  SELECT seq AS place, kind, device, body::json AS entry, created_at AS written_at FROM ledger_entries;

CREATE VIEW report.checkpoints AS
  SELECT c.size, encode(c.root, 'hex') AS root, c.note, c.published_at,
         (SELECT count(*) FROM ledger_cosignatures w WHERE w.size = c.size) AS cosignatures
  FROM ledger_checkpoints c;

CREATE VIEW report.cosignatures AS
  SELECT size, name AS witness, verifier_key, actor, cosigned_at FROM ledger_cosignatures;

-- assay_reader: the views above and nothing else. assay_checker: reads every table, for `assay fsck`; what rests
-- encrypted stays so. Neither can log in: grant them to your own roles. Where the migrating role may not make
-- roles, deploy/sql/readers.sql does it.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_reader') THEN
    CREATE ROLE assay_reader NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_checker') THEN
    CREATE ROLE assay_checker NOLOGIN;
  END IF;
EXCEPTION
  WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_reader') THEN
    GRANT USAGE ON SCHEMA report TO assay_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO assay_reader;
    ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO assay_reader;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_checker') THEN
    GRANT USAGE ON SCHEMA public, report TO assay_checker;
    GRANT SELECT ON ALL TABLES IN SCHEMA public, report TO assay_checker;
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO assay_checker;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN NULL;
END
$$;
