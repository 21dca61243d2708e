-- Notices of security changes that wait to be mailed. The address, the network
-- and the author of the change are sealed.
CREATE TABLE notices (
  id            TEXT COLLATE "C" PRIMARY KEY,
  user_id       TEXT COLLATE "C" NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  kid           TEXT COLLATE "C" NOT NULL,
  sealed        BYTEA NOT NULL,
  language      TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  claimed_until BIGINT NOT NULL,
  attempts      BIGINT NOT NULL,
  next_at       BIGINT NOT NULL
);
CREATE INDEX notices_next ON notices (next_at);
CREATE INDEX notices_created ON notices (created_at);
CREATE INDEX notices_kid ON notices (kid);
