-- Notices of security changes that wait to be mailed. The address, the network
-- and the author of the change are sealed.
CREATE TABLE notices (
  id            TEXT PRIMARY KEY,
  user_id       TEXT NOT NULL,
  kind          TEXT NOT NULL,
  kid           TEXT NOT NULL,
  sealed        BLOB NOT NULL,
  language      TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  claimed_until INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  next_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX notices_next ON notices (next_at);
CREATE INDEX notices_created ON notices (created_at);
CREATE INDEX notices_kid ON notices (kid);
