-- works-with: 1
-- Leases: parts of a lot's count kept for a line. What scrapping gives back. Indexes for auditors.

-- How many leases of the lot are not released, ended or not: claims look at lot_leases only when there is one.
ALTER TABLE lot_claims ADD COLUMN leases int NOT NULL DEFAULT 0;

CREATE TABLE lot_leases (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lot_id      bigint NOT NULL,
  line        text NOT NULL,
  count       bigint NOT NULL CHECK (count > 0),
  used        bigint NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND count),
  actor       text NOT NULL,
  request_id  text NOT NULL,
  granted_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  released_at timestamptz,
  UNIQUE (actor, request_id)
) WITH (fillfactor = 50);
CREATE INDEX lot_leases_lot ON lot_leases (lot_id);

-- The lease an attempt was drawn from; voiding it gives the place back to the lease.
ALTER TABLE attempts ADD COLUMN lease_id bigint;

-- What the line said (2 provisioned, 3 scrapped) of a device that was revoked since; whether its place in the
-- lot's count is free again.
ALTER TABLE device_outcomes ADD COLUMN outcome smallint,
  ADD COLUMN returned boolean NOT NULL DEFAULT false;
CREATE INDEX device_outcomes_rare ON device_outcomes (state, row) WHERE state > 2;

-- Devices by serial number in the order of bytes, and by subject key id: the 20 bytes after the extension's
-- identifier (2.5.29.14) in the DAC.
CREATE INDEX attempts_serial_bytes ON attempts (serial_number COLLATE "C")
  WHERE live AND serial_number IS NOT NULL;
CREATE INDEX devices_dac_skid ON devices
  (substring(dac FROM position('\x0603551d0e04160414'::bytea IN dac) + 9 FOR 20));
CREATE INDEX devices_sealed_at ON devices (sealed_at);
CREATE INDEX attempts_voided ON attempts (lot_id, ticket) WHERE NOT live;
