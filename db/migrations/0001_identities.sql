-- works-with: 1
-- Lots, tickets, devices. The issuing path writes few narrow indexes and updates two counter rows a batch.
-- No foreign keys between the hot tables: the store writes them in one transaction, and a check a row would
-- cost more than the row.

-- Leases: while one lasts nobody voids its process's attempts.
CREATE TABLE instances (
  instance_id text PRIMARY KEY,
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What operators did; the same (actor, request_id) has one effect.
CREATE TABLE acts (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  actor      text NOT NULL,
  request_id text,
  kind       text NOT NULL,
  subject    text NOT NULL,
  digest     bytea NOT NULL,
  done_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (actor, request_id)
);

CREATE TABLE products (
  name       text PRIMARY KEY,
  revision   int NOT NULL,
  vendor_id  int NOT NULL CHECK (vendor_id BETWEEN 0 AND 65535),
  product_id int NOT NULL CHECK (product_id BETWEEN 0 AND 65535),
  spec       bytea NOT NULL,
  spec_json  json,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lots (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name             text NOT NULL UNIQUE,
  product          text NOT NULL REFERENCES products (name),
  product_revision int NOT NULL,
  spec             bytea NOT NULL,
  vendor_id        int NOT NULL,
  product_id       int NOT NULL,
  factory          text NOT NULL,
  retention        interval NOT NULL,
  wrapped_key      bytea NOT NULL,
  opened_at        timestamptz NOT NULL DEFAULT now(),
  closed_at        timestamptz
);
CREATE INDEX lots_product ON lots (product);

-- A lot's quota: one narrow row, so that a batch's update stays on its page. Locked before anything else of
-- the lot. A device's row number has 32 bits for its place in the lot.
CREATE TABLE lot_claims (
  lot_id   bigint PRIMARY KEY,
  open     boolean NOT NULL,
  capacity bigint NOT NULL CHECK (capacity BETWEEN 0 AND 4294967295),
  claimed  bigint NOT NULL DEFAULT 0 CHECK (claimed BETWEEN 0 AND capacity)
) WITH (fillfactor = 20);

-- What became of the claims. Apart from lot_claims so that sealing does not wait for claiming.
CREATE TABLE lot_results (
  lot_id    bigint PRIMARY KEY,
  sealed    bigint NOT NULL DEFAULT 0,
  confirmed bigint NOT NULL DEFAULT 0,
  scrapped  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE TABLE pais (
  name            text PRIMARY KEY,
  vendor_id       int NOT NULL,
  product_id      int,
  state           smallint NOT NULL,  -- 0 pending, 1 active, 2 retired
  key_label       text NOT NULL UNIQUE,
  public_key      bytea NOT NULL,
  csr             bytea NOT NULL,
  certificate     bytea NOT NULL,
  paa_certificate bytea NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);

-- Intents to sign. Never updated on the good way: an attempt is sealed when devices has it, unsealed while
-- open_intents has it, voided when live is false. A DAC serial number is never used again.
CREATE TABLE attempts (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lot_id            bigint NOT NULL,
  ticket            text NOT NULL,
  line              text NOT NULL,
  actor             text NOT NULL,
  request_digest    bytea NOT NULL,
  device_id         text NOT NULL,
  serial_number     text,
  dac_serial        bytea,
  public_key_sha256 bytea,
  tbs_sha256        bytea NOT NULL,
  pai               text NOT NULL,
  instance_id       text NOT NULL,
  intended_at       timestamptz NOT NULL DEFAULT now(),
  live              boolean NOT NULL DEFAULT true,
  voided_at         timestamptz,
  void_reason       text
);
CREATE UNIQUE INDEX attempts_ticket ON attempts (lot_id, ticket) WHERE live;
CREATE UNIQUE INDEX attempts_serial_number ON attempts (serial_number, lot_id)
  WHERE live AND serial_number IS NOT NULL;
CREATE UNIQUE INDEX attempts_public_key ON attempts (public_key_sha256)
  WHERE live AND public_key_sha256 IS NOT NULL;
CREATE UNIQUE INDEX attempts_dac_serial ON attempts (dac_serial) WHERE dac_serial IS NOT NULL;
CREATE UNIQUE INDEX attempts_device_id ON attempts (device_id);

-- The right to seal or to void: whoever deletes the row has it. As many rows as tickets in flight.
CREATE TABLE open_intents (
  attempt_id  bigint PRIMARY KEY,
  lot_id      bigint NOT NULL,
  instance_id text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The manifest, with attempts and lots. row = lot id * 2^32 + place in the lot by order of sealing.
CREATE TABLE devices (
  row             bigint PRIMARY KEY,
  attempt_id      bigint NOT NULL UNIQUE,
  discriminator   int NOT NULL CHECK (discriminator BETWEEN 0 AND 4095),
  dac_sha256      bytea NOT NULL,
  dac             bytea NOT NULL,
  image_sha256    bytea NOT NULL,
  image_signature bytea NOT NULL,
  codes           bytea NOT NULL,     -- encrypted under the lot's key
  sealed_at       timestamptz NOT NULL DEFAULT now()
);
-- Keys, signatures and ciphertexts do not shrink.
ALTER TABLE devices ALTER dac SET STORAGE EXTERNAL, ALTER image_signature SET STORAGE EXTERNAL,
  ALTER codes SET STORAGE EXTERNAL;

-- What the line said, and revocations. No row: sealed only.
CREATE TABLE device_outcomes (
  row          bigint PRIMARY KEY,
  state        smallint NOT NULL CHECK (state BETWEEN 2 AND 4),  -- 2 provisioned, 3 scrapped, 4 revoked
  actor        text NOT NULL,
  confirmed_at timestamptz,
  revoked_at   timestamptz
);

-- Encrypted identities waiting for their confirmation; wiping is deleting.
CREATE TABLE sealed_identities (
  lot_id     bigint NOT NULL,
  attempt_id bigint NOT NULL,
  sealed_at  timestamptz NOT NULL DEFAULT now(),
  sealed     bytea NOT NULL,
  PRIMARY KEY (lot_id, attempt_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE sealed_identities ALTER sealed SET STORAGE EXTERNAL;

-- The ledger's entries as they are written with their acts; the sequencer gives them their place.
CREATE TABLE ledger_entries (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq        bigint,
  kind       text NOT NULL,
  body       text NOT NULL,  -- canonical JSON
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);
