-- Life of accounts: forgotten passwords and names, new accounts, addresses to
-- verify, earlier passwords. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Steps of a recovery or a registration, kept here and not in the browser.
-- sealed holds what was typed and whom it is about; id stands in URLs and says
-- nothing.
CREATE TABLE account_flows (
  id           TEXT COLLATE "C" PRIMARY KEY,
  kind         TEXT COLLATE "C" NOT NULL,
  user_id      TEXT COLLATE "C" NOT NULL,
  browser_hash BYTEA,
  link_hash    BYTEA,
  step         TEXT COLLATE "C" NOT NULL,
  kid          TEXT COLLATE "C" NOT NULL,
  sealed       BYTEA NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  used_at      BIGINT NOT NULL
);
CREATE INDEX account_flows_user ON account_flows (user_id) WHERE user_id <> '';
CREATE UNIQUE INDEX account_flows_link ON account_flows (link_hash) WHERE link_hash IS NOT NULL;
CREATE INDEX account_flows_expires ON account_flows (expires_at);
CREATE INDEX account_flows_kid ON account_flows (kid);

-- Messages of these flows that are sent after the answer to a page.
CREATE TABLE account_messages (
  id            TEXT COLLATE "C" PRIMARY KEY,
  kid           TEXT COLLATE "C" NOT NULL,
  sealed        BYTEA NOT NULL,
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  claimed_until BIGINT NOT NULL
);
CREATE INDEX account_messages_created ON account_messages (created_at);
CREATE INDEX account_messages_kid ON account_messages (kid);

-- Earlier passwords, as hashes.
CREATE TABLE password_history (
  user_id TEXT COLLATE "C" NOT NULL,
  at      BIGINT NOT NULL,
  hash    TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (user_id, at)
);
ALTER TABLE user_security ADD COLUMN must_change_reason TEXT COLLATE "C" NOT NULL DEFAULT '';

-- When a user first logged in with a browser that was not known; 0: never.
ALTER TABLE user_security ADD COLUMN logged_in_at BIGINT NOT NULL DEFAULT 0;
