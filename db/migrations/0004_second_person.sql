-- works-with: 1
-- Guarded acts wait here for another operator to ask for the same.
CREATE TABLE proposals (
  actor       text NOT NULL,
  kind        text NOT NULL,
  subject     text NOT NULL,
  digest      bytea NOT NULL,
  proposed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, subject, digest, actor)
);
