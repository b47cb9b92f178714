-- works-with: 1
-- Sealed devices nobody has decided about yet: what an auditor asks a large lot for when nearly all of it is
-- confirmed. Kept by triggers, so that programs of either release and whoever enters rows again keep it alike.
CREATE TABLE devices_waiting (
  row bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE FUNCTION devices_waiting_add() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO devices_waiting SELECT row FROM added ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER devices_waiting_add AFTER INSERT ON devices
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION devices_waiting_add();

-- An array, so that the plan is a look-up by index whatever the planner believes of the tables' sizes.
CREATE FUNCTION devices_waiting_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM devices_waiting WHERE row = ANY (ARRAY (SELECT row FROM decided));
  RETURN NULL;
END $$;
CREATE TRIGGER devices_waiting_end AFTER INSERT ON device_outcomes
  REFERENCING NEW TABLE AS decided FOR EACH STATEMENT EXECUTE FUNCTION devices_waiting_end();

INSERT INTO devices_waiting
  SELECT d.row FROM devices d LEFT JOIN device_outcomes x ON x.row = d.row WHERE x.row IS NULL;
