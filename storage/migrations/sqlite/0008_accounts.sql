-- Life of accounts: forgotten passwords and names, new accounts, addresses to
-- verify, earlier passwords. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Steps of a recovery or a registration, kept here and not in the browser.
-- sealed holds what was typed and whom it is about; id stands in URLs and says
-- nothing.
CREATE TABLE account_flows (
  id           TEXT PRIMARY KEY,
  kind         TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  browser_hash BLOB,
  link_hash    BLOB,
  step         TEXT NOT NULL,
  kid          TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  used_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX account_flows_user ON account_flows (user_id) WHERE user_id <> '';
CREATE UNIQUE INDEX account_flows_link ON account_flows (link_hash) WHERE link_hash IS NOT NULL;
CREATE INDEX account_flows_expires ON account_flows (expires_at);
CREATE INDEX account_flows_kid ON account_flows (kid);

-- Messages of these flows that are sent after the answer to a page.
CREATE TABLE account_messages (
  id            TEXT PRIMARY KEY,
  kid           TEXT NOT NULL,
  sealed        BLOB NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  claimed_until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX account_messages_created ON account_messages (created_at);
CREATE INDEX account_messages_kid ON account_messages (kid);

-- Earlier passwords, as hashes.
CREATE TABLE password_history (
  user_id TEXT NOT NULL,
  at      INTEGER NOT NULL,
  hash    TEXT NOT NULL,
  PRIMARY KEY (user_id, at)
) WITHOUT ROWID;
ALTER TABLE user_security ADD COLUMN must_change_reason TEXT NOT NULL DEFAULT '';

-- When a user first logged in with a browser that was not known; 0: never.
ALTER TABLE user_security ADD COLUMN logged_in_at INTEGER NOT NULL DEFAULT 0;
