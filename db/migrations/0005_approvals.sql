-- works-with: 1
-- Guarded acts that one operator proposed, and what another decided. `proposals` served revocations only and is
-- written no more.
CREATE TABLE guarded_proposals (
  number           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- the order of listing
  id               text PRIMARY KEY,
  kind             text NOT NULL,
  subject          text NOT NULL,
  factory          text NOT NULL,
  request          bytea NOT NULL,   -- serialized assay.v1.GuardedAct
  digest           bytea NOT NULL,   -- as of the act
  effect           text NOT NULL,
  proposer         text NOT NULL,
  request_id       text NOT NULL,    -- the proposer's
  proposed_at      timestamptz NOT NULL DEFAULT now(),
  expires_at       timestamptz NOT NULL,
  state            smallint NOT NULL DEFAULT 1,  -- 1 open, 2 approved, 3 rejected, 4 expired
  decided_by       text NOT NULL DEFAULT '',
  decision_request text NOT NULL DEFAULT '',     -- the decider's request id
  decided_at       timestamptz,
  note             text NOT NULL DEFAULT '',
  UNIQUE (proposer, request_id),
  CHECK (state BETWEEN 1 AND 4),
  CHECK (state <> 2 OR decided_by <> proposer)
);
-- One that waits for each act.
CREATE UNIQUE INDEX guarded_proposals_open ON guarded_proposals (kind, subject, digest) WHERE state = 1;
