-- The OpenID Connect provider. Secrets, codes and tokens are stored as their
-- SHA-256. doc columns are JSON.

CREATE TABLE oauth_clients (
  id                TEXT PRIMARY KEY,
  doc               TEXT NOT NULL,
  secrets           TEXT NOT NULL,
  registration_hash BLOB,
  disabled          INTEGER NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL
) WITHOUT ROWID;

-- Resource servers, and which of them a scope belongs to.
CREATE TABLE oauth_services (
  name        TEXT PRIMARY KEY,
  audience    TEXT NOT NULL,
  secret_hash BLOB,
  doc         TEXT NOT NULL,
  created_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX oauth_services_audience ON oauth_services (audience);
CREATE TABLE oauth_scopes (
  name    TEXT PRIMARY KEY,
  service TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_scopes_service ON oauth_scopes (service);

-- What one authorization gave one client; doc is what never changes.
CREATE TABLE oauth_grants (
  id              TEXT PRIMARY KEY,
  client_id       TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  session_id      TEXT NOT NULL,
  doc             TEXT NOT NULL,
  key_thumbprint  TEXT NOT NULL,
  code_hash       BLOB,
  code_expires_at INTEGER NOT NULL,
  code_used_at    INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  revoked_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX oauth_grants_code ON oauth_grants (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX oauth_grants_user ON oauth_grants (user_id, client_id) WHERE user_id <> '';
CREATE INDEX oauth_grants_session ON oauth_grants (session_id) WHERE session_id <> '';
CREATE INDEX oauth_grants_expires ON oauth_grants (expires_at);

CREATE TABLE oauth_refresh_tokens (
  hash       BLOB PRIMARY KEY,
  grant_id   TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL,
  successor  BLOB
) WITHOUT ROWID;
CREATE INDEX oauth_refresh_tokens_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_expires ON oauth_refresh_tokens (expires_at);

CREATE TABLE oauth_access_tokens (
  hash       BLOB PRIMARY KEY,
  grant_id   TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  audience   TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_access_tokens_grant ON oauth_access_tokens (grant_id);
CREATE INDEX oauth_access_tokens_expires ON oauth_access_tokens (expires_at);

-- The name of a session for each client, which logout tokens carry.
CREATE TABLE oauth_sids (
  session_id TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  sid        TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (session_id, client_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX oauth_sids_sid ON oauth_sids (sid);

CREATE TABLE consents (
  user_id    TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;
CREATE TABLE consent_history (
  id        TEXT PRIMARY KEY,
  user_id   TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scopes    TEXT NOT NULL,
  at        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX consent_history_user ON consent_history (user_id, at);

CREATE TABLE oauth_pushed_requests (
  id             TEXT PRIMARY KEY,
  client_id      TEXT NOT NULL,
  params         TEXT NOT NULL,
  key_thumbprint TEXT NOT NULL,
  expires_at     INTEGER NOT NULL,
  used_at        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_pushed_requests_expires ON oauth_pushed_requests (expires_at);

CREATE TABLE oauth_devices (
  code_hash      BLOB PRIMARY KEY,
  user_code_hash BLOB NOT NULL,
  client_id      TEXT NOT NULL,
  doc            TEXT NOT NULL,
  state          TEXT NOT NULL,
  grant_id       TEXT NOT NULL,
  poll_every     INTEGER NOT NULL,
  polled_at      INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX oauth_devices_user_code ON oauth_devices (user_code_hash);
CREATE INDEX oauth_devices_expires ON oauth_devices (expires_at);

-- What was used once and must not be used again.
CREATE TABLE oauth_replays (
  kind       TEXT NOT NULL,
  key        BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX oauth_replays_expires ON oauth_replays (expires_at);

-- Keys that sign tokens.
CREATE TABLE signing_keys (
  id         TEXT PRIMARY KEY,
  alg        TEXT NOT NULL,
  state      TEXT NOT NULL,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX signing_keys_single ON signing_keys (alg, state) WHERE state IN ('next', 'active');
CREATE INDEX signing_keys_kid ON signing_keys (kid);

-- Clients to tell that a session has ended.
CREATE TABLE oauth_logouts (
  id            TEXT PRIMARY KEY,
  client_id     TEXT NOT NULL,
  sid           TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  claimed_until INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  next_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_logouts_next ON oauth_logouts (next_at);
