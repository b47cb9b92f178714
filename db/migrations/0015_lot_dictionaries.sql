-- works-with: 1
-- What a lot's identities have in common, which compact ones (database.compact_identities) leave out. Never changed: the
-- number is of the content, and each compact identity names the one it was made with.
CREATE TABLE lot_dictionaries (
  lot_id     bigint NOT NULL REFERENCES lots (id),
  number     bigint NOT NULL,
  dictionary bytea NOT NULL,  -- encrypted under the lot's key, so that nobody alters it unseen
  PRIMARY KEY (lot_id, number)
);
