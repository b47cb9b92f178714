-- works-with: 1
-- What no two units of one product may share — passcode with discriminator, and the rotating id — held apart
-- over all its lots. The digests are keyed, so that nobody who reads the database can try passcodes against
-- them; a scrapped or revoked unit's are taken away when another asks for the same value.
CREATE TABLE product_keys (
  vendor_id   int NOT NULL,
  product_id  int NOT NULL,
  wrapped_key bytea NOT NULL,  -- AES-256 key under the HSM's wrapping key
  PRIMARY KEY (vendor_id, product_id)
);

ALTER TABLE attempts ADD COLUMN setup_code_digest bytea, ADD COLUMN rotating_id_digest bytea;
CREATE UNIQUE INDEX attempts_setup_code ON attempts (setup_code_digest)
  WHERE live AND setup_code_digest IS NOT NULL;
CREATE UNIQUE INDEX attempts_rotating_id ON attempts (rotating_id_digest)
  WHERE live AND rotating_id_digest IS NOT NULL;
