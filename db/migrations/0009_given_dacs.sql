-- works-with: 1
-- A DAC issued elsewhere bears a serial number of its issuer's: two issuers may use the same. Empty for
-- those issued here, whose serials are unique among all.
ALTER TABLE attempts ADD COLUMN dac_issuer bytea NOT NULL DEFAULT ''::bytea;
CREATE UNIQUE INDEX attempts_dac ON attempts (dac_serial, dac_issuer) WHERE dac_serial IS NOT NULL;
DROP INDEX attempts_dac_serial;
