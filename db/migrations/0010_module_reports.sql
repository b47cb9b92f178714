-- works-with: 1
-- The documented view tells a unit that was made in two lots as the records do: both rows bear the
-- module's id and certificate, and what ended the module ended the unit.
CREATE OR REPLACE VIEW report.devices AS
  SELECT coalesce(m.device_id, a.device_id) AS device_id, l.name AS lot, l.product, l.vendor_id, l.product_id,
         l.factory, a.line, a.actor, a.ticket, a.serial_number,
         encode(coalesce(m.dac_serial, a.dac_serial), 'hex') AS dac_serial,
         encode(coalesce(md.dac_sha256, d.dac_sha256), 'hex') AS dac_sha256,
         encode(coalesce(m.public_key_sha256, a.public_key_sha256), 'hex') AS public_key_sha256,
         coalesce(m.pai, a.pai) AS pai, encode(d.image_sha256, 'hex') AS image_sha256,
         CASE CASE WHEN coalesce(mx.state, 1) >= 3 THEN mx.state ELSE coalesce(x.state, 1) END
           WHEN 1 THEN 'sealed' WHEN 2 THEN 'provisioned' WHEN 3 THEN 'scrapped' ELSE 'revoked' END AS state,
         a.intended_at, d.sealed_at, x.confirmed_at, x.revoked_at, x.actor AS decided_by,
         r.source AS recovered_from, d.row
  FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN lots l ON l.id = a.lot_id
  LEFT JOIN device_outcomes x ON x.row = d.row LEFT JOIN recovered_devices r ON r.row = d.row
  LEFT JOIN attempts m ON m.id = a.module_attempt
  LEFT JOIN devices md ON md.attempt_id = m.id LEFT JOIN device_outcomes mx ON mx.row = md.row;
