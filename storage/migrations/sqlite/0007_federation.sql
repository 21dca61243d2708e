-- Logins at other providers. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Which account at which provider belongs to which user. provider is the id in
-- the configuration; issuer and subject are those of the provider.
CREATE TABLE external_identities (
  provider      TEXT NOT NULL,
  issuer        TEXT NOT NULL,
  subject       TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  display       TEXT NOT NULL,
  linked_at     INTEGER NOT NULL,
  last_login_at INTEGER NOT NULL,
  PRIMARY KEY (provider, issuer, subject)
) WITHOUT ROWID;
CREATE UNIQUE INDEX external_identities_user ON external_identities (user_id, provider);

-- Requests that are at a provider; id is the hash of the state or
-- RelayState, in hexadecimal.
CREATE TABLE federation_requests (
  id           TEXT PRIMARY KEY,
  provider     TEXT NOT NULL,
  purpose      TEXT NOT NULL,
  txn          TEXT NOT NULL,
  browser_hash BLOB,
  user_id      TEXT NOT NULL,
  session_id   TEXT NOT NULL,
  kid          TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  used_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX federation_requests_expires ON federation_requests (expires_at);
CREATE INDEX federation_requests_kid ON federation_requests (kid);

-- Answers that a provider posted here, until the browser fetches the page that
-- reads its cookies.
CREATE TABLE federation_answers (
  id         TEXT PRIMARY KEY,
  provider   TEXT NOT NULL,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX federation_answers_expires ON federation_answers (expires_at);
CREATE INDEX federation_answers_kid ON federation_answers (kid);

-- Assertions that were seen, until they expire.
CREATE TABLE federation_replays (
  issuer     TEXT NOT NULL,
  id         TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, id)
) WITHOUT ROWID;
CREATE INDEX federation_replays_expires ON federation_replays (expires_at);

-- Keys that we sign with, and that is encrypted for, at SAML providers; id is
-- that of the provider.
CREATE TABLE federation_keys (
  id         TEXT PRIMARY KEY,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX federation_keys_kid ON federation_keys (kid);
