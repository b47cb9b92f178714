-- works-with: 1
-- The ledger: places for the entries, tiles of hashes, checkpoints, and the lease of who adds.

ALTER TABLE ledger_entries ADD COLUMN device text;
-- Waiting entries; those with a place.
CREATE INDEX ledger_entries_waiting ON ledger_entries (id) WHERE seq IS NULL;
CREATE UNIQUE INDEX ledger_entries_seq ON ledger_entries (seq) WHERE seq IS NOT NULL;
CREATE INDEX ledger_entries_device ON ledger_entries (device) WHERE device IS NOT NULL;
-- Each row is written twice, once with its act and once with its place.
ALTER TABLE ledger_entries SET (autovacuum_vacuum_scale_factor = 0.05);
-- Signatures, tickets and digests hardly shrink.
ALTER TABLE ledger_entries ALTER body SET STORAGE EXTERNAL;

-- How far places are given, and by whom. One row.
CREATE TABLE ledger_head (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  size        bigint NOT NULL,
  root        bytea NOT NULL,
  holder      text NOT NULL,
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO ledger_head (size, root, holder, lease_until)
  VALUES (0, decode(repeat('00', 32), 'hex'), '', '-infinity');

-- Each tile once, as wide as it is; its first hashes never change.
CREATE TABLE ledger_tiles (
  level  smallint NOT NULL,
  idx    bigint NOT NULL,
  hashes bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
  PRIMARY KEY (level, idx)
);
ALTER TABLE ledger_tiles ALTER hashes SET STORAGE EXTERNAL;

CREATE TABLE ledger_checkpoints (
  size         bigint PRIMARY KEY,
  root         bytea NOT NULL,
  note         text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now()
);
