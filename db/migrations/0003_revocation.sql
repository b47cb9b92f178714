-- works-with: 1
-- Revocations, which are for ever, the lists that tell them, and verifications at the end of the line.

-- How many entries each issuer has, and the highest list number given. Locked before an entry is added and
-- before a list is drafted, so that a list of a higher number holds all that one with a lower did.
CREATE TABLE crl_issuers (
  issuer             text PRIMARY KEY,  -- a PAI's name, or @ and a PAA's key id in hex
  entries            bigint NOT NULL DEFAULT 0,
  number             bigint NOT NULL DEFAULT 0,
  signer_key         text,              -- of a delegated signer
  signer_certificate bytea
) WITH (fillfactor = 20);

CREATE TABLE revocations (
  issuer     text NOT NULL,
  number     bigint NOT NULL,  -- from 0 in the order they came
  serial     bytea NOT NULL,
  subject    text NOT NULL,    -- a device's id or a PAI's name
  reason     smallint NOT NULL,
  actor      text NOT NULL,
  revoked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, number),
  UNIQUE (issuer, serial)
);
CREATE INDEX revocations_subject ON revocations (subject);

-- Lots revoked as a whole, and how far their devices have their entries.
CREATE TABLE revoked_lots (
  lot_id     bigint PRIMARY KEY,
  reason     smallint NOT NULL,
  actor      text NOT NULL,
  revoked_at timestamptz NOT NULL DEFAULT now(),
  swept_row  bigint NOT NULL DEFAULT 0
);

-- The newest list of each part.
CREATE TABLE crls (
  issuer             text NOT NULL,
  part               int NOT NULL,
  number             bigint NOT NULL,
  entries            bigint NOT NULL,
  parts              int NOT NULL,
  this_update        timestamptz NOT NULL,
  next_update        timestamptz NOT NULL,
  der                bytea NOT NULL,
  signer_certificate bytea NOT NULL,
  PRIMARY KEY (issuer, part)
);
ALTER TABLE crls ALTER der SET STORAGE EXTERNAL;

CREATE TABLE verifications (
  id          text PRIMARY KEY,
  device_id   text NOT NULL,
  line        text NOT NULL,
  actor       text NOT NULL,
  nonce       bytea NOT NULL,
  challenge   bytea NOT NULL,
  expires_at  timestamptz NOT NULL,
  evidence    bytea,
  result      int,
  passed      boolean,
  answer      bytea,
  verified_at timestamptz
);
CREATE INDEX verifications_device ON verifications (device_id);
