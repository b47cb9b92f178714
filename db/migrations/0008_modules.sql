-- works-with: 1
-- Units made in two lots: a module issued in one, its factory image added in another. The attempt that
-- completes a module names the module's attempt; the unit's id and certificate are the module's.
ALTER TABLE attempts ADD COLUMN module_attempt bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX attempts_module ON attempts (module_attempt) WHERE live AND module_attempt <> 0;
