-- works-with: 1
-- The store lists the devices it enters as waiting in the same statement, and says so by assay.lists_waiting. For whoever
-- else enters devices, the release before this one among them, a trigger does it as before: by row, because one by
-- statement keeps a copy of every row it may be asked for.
CREATE FUNCTION devices_waiting_add_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO devices_waiting VALUES (NEW.row) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
-- Replaced, not dropped and made: that would wait for every reader of the table.
CREATE OR REPLACE TRIGGER devices_waiting_add AFTER INSERT ON devices FOR EACH ROW
  WHEN (current_setting('assay.lists_waiting', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION devices_waiting_add_one();
DROP FUNCTION devices_waiting_add();
