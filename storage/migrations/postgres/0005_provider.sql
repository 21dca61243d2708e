-- The OpenID Connect provider. Secrets, codes and tokens are stored as their
-- SHA-256. doc columns are JSON.

CREATE TABLE oauth_clients (
  id                TEXT COLLATE "C" PRIMARY KEY,
  doc               TEXT COLLATE "C" NOT NULL,
  secrets           TEXT COLLATE "C" NOT NULL,
  registration_hash BYTEA,
  disabled          BIGINT NOT NULL,
  created_at        BIGINT NOT NULL,
  updated_at        BIGINT NOT NULL
);

-- Resource servers, and which of them a scope belongs to.
CREATE TABLE oauth_services (
  name        TEXT COLLATE "C" PRIMARY KEY,
  audience    TEXT COLLATE "C" NOT NULL,
  secret_hash BYTEA,
  doc         TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX oauth_services_audience ON oauth_services (audience);
CREATE TABLE oauth_scopes (
  name    TEXT COLLATE "C" PRIMARY KEY,
  service TEXT COLLATE "C" NOT NULL
);
CREATE INDEX oauth_scopes_service ON oauth_scopes (service);

-- What one authorization gave one client; doc is what never changes.
CREATE TABLE oauth_grants (
  id              TEXT COLLATE "C" PRIMARY KEY,
  client_id       TEXT COLLATE "C" NOT NULL,
  user_id         TEXT COLLATE "C" NOT NULL,
  session_id      TEXT COLLATE "C" NOT NULL,
  doc             TEXT COLLATE "C" NOT NULL,
  key_thumbprint  TEXT COLLATE "C" NOT NULL,
  code_hash       BYTEA,
  code_expires_at BIGINT NOT NULL,
  code_used_at    BIGINT NOT NULL,
  created_at      BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL,
  revoked_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX oauth_grants_code ON oauth_grants (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX oauth_grants_user ON oauth_grants (user_id, client_id) WHERE user_id <> '';
CREATE INDEX oauth_grants_session ON oauth_grants (session_id) WHERE session_id <> '';
CREATE INDEX oauth_grants_expires ON oauth_grants (expires_at);

CREATE TABLE oauth_refresh_tokens (
  hash       BYTEA PRIMARY KEY,
  grant_id   TEXT COLLATE "C" NOT NULL,
  scopes     TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL,
  successor  BYTEA
);
CREATE INDEX oauth_refresh_tokens_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_expires ON oauth_refresh_tokens (expires_at);

CREATE TABLE oauth_access_tokens (
  hash       BYTEA PRIMARY KEY,
  grant_id   TEXT COLLATE "C" NOT NULL,
  scopes     TEXT COLLATE "C" NOT NULL,
  audience   TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_access_tokens_grant ON oauth_access_tokens (grant_id);
CREATE INDEX oauth_access_tokens_expires ON oauth_access_tokens (expires_at);

-- The name of a session for each client, which logout tokens carry.
CREATE TABLE oauth_sids (
  session_id TEXT COLLATE "C" NOT NULL,
  client_id  TEXT COLLATE "C" NOT NULL,
  sid        TEXT COLLATE "C" NOT NULL,
  user_id    TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (session_id, client_id)
);
CREATE UNIQUE INDEX oauth_sids_sid ON oauth_sids (sid);

CREATE TABLE consents (
  user_id    TEXT COLLATE "C" NOT NULL,
  client_id  TEXT COLLATE "C" NOT NULL,
  scopes     TEXT COLLATE "C" NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, client_id)
);
CREATE TABLE consent_history (
  id        TEXT COLLATE "C" PRIMARY KEY,
  user_id   TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  scopes    TEXT COLLATE "C" NOT NULL,
  at        BIGINT NOT NULL
);
CREATE INDEX consent_history_user ON consent_history (user_id, at);

CREATE TABLE oauth_pushed_requests (
  id             TEXT COLLATE "C" PRIMARY KEY,
  client_id      TEXT COLLATE "C" NOT NULL,
  params         TEXT COLLATE "C" NOT NULL,
  key_thumbprint TEXT COLLATE "C" NOT NULL,
  expires_at     BIGINT NOT NULL,
  used_at        BIGINT NOT NULL
);
CREATE INDEX oauth_pushed_requests_expires ON oauth_pushed_requests (expires_at);

CREATE TABLE oauth_devices (
  code_hash      BYTEA PRIMARY KEY,
  user_code_hash BYTEA NOT NULL,
  client_id      TEXT COLLATE "C" NOT NULL,
  doc            TEXT COLLATE "C" NOT NULL,
  state          TEXT COLLATE "C" NOT NULL,
  grant_id       TEXT COLLATE "C" NOT NULL,
  poll_every     BIGINT NOT NULL,
  polled_at      BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX oauth_devices_user_code ON oauth_devices (user_code_hash);
CREATE INDEX oauth_devices_expires ON oauth_devices (expires_at);

-- What was used once and must not be used again.
CREATE TABLE oauth_replays (
  kind       TEXT COLLATE "C" NOT NULL,
  key        BYTEA NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (kind, key)
);
CREATE INDEX oauth_replays_expires ON oauth_replays (expires_at);

-- Keys that sign tokens.
CREATE TABLE signing_keys (
  id         TEXT COLLATE "C" PRIMARY KEY,
  alg        TEXT COLLATE "C" NOT NULL,
  state      TEXT COLLATE "C" NOT NULL,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX signing_keys_single ON signing_keys (alg, state) WHERE state IN ('next', 'active');
CREATE INDEX signing_keys_kid ON signing_keys (kid);

-- Clients to tell that a session has ended.
CREATE TABLE oauth_logouts (
  id            TEXT COLLATE "C" PRIMARY KEY,
  client_id     TEXT COLLATE "C" NOT NULL,
  sid           TEXT COLLATE "C" NOT NULL,
  user_id       TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  claimed_until BIGINT NOT NULL,
  attempts      BIGINT NOT NULL,
  next_at       BIGINT NOT NULL
);
CREATE INDEX oauth_logouts_next ON oauth_logouts (next_at);
