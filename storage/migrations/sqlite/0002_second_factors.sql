-- Second factors: sealed states, counted challenges, what is enrolled and
-- validated, and the limits. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Keys of sealed states. All nodes share them; see package validation/state.
CREATE TABLE state_keys (
  id         TEXT PRIMARY KEY,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  state      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  minted     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX state_keys_single ON state_keys (state) WHERE state IN ('current', 'next');
CREATE INDEX state_keys_kid ON state_keys (kid);

-- One row per code sent, or per secret or factor that waits for its proof. It
-- holds neither code nor address.
CREATE TABLE challenges (
  jti           TEXT PRIMARY KEY,
  sub           TEXT NOT NULL,
  kind          TEXT NOT NULL,
  path          TEXT NOT NULL,
  dest_hash     BLOB,
  attempts      INTEGER NOT NULL,
  max_attempts  INTEGER NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  superseded_at INTEGER NOT NULL,
  used_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX challenges_live ON challenges (sub, kind, path) WHERE used_at = 0 AND superseded_at = 0;
CREATE INDEX challenges_sub ON challenges (sub);
CREATE INDEX challenges_expires ON challenges (expires_at);

-- Authenticator apps. id is another one for every secret.
CREATE TABLE totp_secrets (
  user_id    TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  algorithm  TEXT NOT NULL,
  digits     INTEGER NOT NULL,
  period     INTEGER NOT NULL,
  last_step  INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX totp_secrets_kid ON totp_secrets (kid);

-- Epochs: whatever was sealed under an older one no longer counts.
CREATE TABLE user_security (
  user_id          TEXT PRIMARY KEY,
  credential_epoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE factor_epochs (
  user_id TEXT NOT NULL,
  factor  TEXT NOT NULL,
  epoch   INTEGER NOT NULL,
  PRIMARY KEY (user_id, factor)
) WITHOUT ROWID;

-- Which value of an attribute its user has proved to hold.
CREATE TABLE validations (
  user_id      TEXT NOT NULL,
  path         TEXT NOT NULL,
  value_hash   BLOB NOT NULL,
  validated_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, path)
) WITHOUT ROWID;

-- Limits. Keys are HMACs. A row is over at ends_at.
CREATE TABLE send_counts (
  name       TEXT NOT NULL,
  key        BLOB NOT NULL,
  n          INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ends_at    INTEGER NOT NULL,
  PRIMARY KEY (name, key)
) WITHOUT ROWID;
CREATE INDEX send_counts_ends ON send_counts (ends_at);
CREATE TABLE send_series (
  key         BLOB PRIMARY KEY,
  n           INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  previous_at INTEGER NOT NULL,
  ends_at     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX send_series_ends ON send_series (ends_at);
CREATE TABLE send_outcomes (
  jti      TEXT PRIMARY KEY,
  prefix   TEXT NOT NULL,
  sent_at  INTEGER NOT NULL,
  verified INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX send_outcomes_prefix ON send_outcomes (prefix, sent_at);
CREATE INDEX send_outcomes_sent ON send_outcomes (sent_at);
CREATE TABLE prefix_pauses (
  prefix TEXT PRIMARY KEY,
  until  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE factor_failures (
  user_id      TEXT NOT NULL,
  factor       TEXT NOT NULL,
  n            INTEGER NOT NULL,
  closed_until INTEGER NOT NULL,
  disabled     INTEGER NOT NULL,
  last_at      INTEGER NOT NULL,
  PRIMARY KEY (user_id, factor)
) WITHOUT ROWID;
CREATE INDEX factor_failures_last ON factor_failures (last_at);
CREATE TABLE password_failures (
  scope      TEXT NOT NULL,
  key        BLOB NOT NULL,
  n          INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX password_failures_last ON password_failures (last_at);

-- Deliveries: what providers said about messages. Neither address nor code.
CREATE TABLE delivery_messages (
  id          TEXT PRIMARY KEY,
  provider    TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  channel     TEXT NOT NULL,
  country     TEXT NOT NULL,
  dest_hash   BLOB,
  created_at  INTEGER NOT NULL,
  status      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX delivery_messages_provider ON delivery_messages (provider, provider_id);
CREATE INDEX delivery_messages_dest ON delivery_messages (dest_hash);
CREATE INDEX delivery_messages_created ON delivery_messages (created_at);

-- The development inbox: sealed messages, at most 200, until their code expires.
CREATE TABLE inbox_messages (
  id         TEXT PRIMARY KEY,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX inbox_messages_kid ON inbox_messages (kid);
CREATE INDEX inbox_messages_expires ON inbox_messages (expires_at);

-- Sessions and users' own tokens. A token whose user_id is set counts only as
-- long as the session that its session_id names lives.
CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ip         TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  proofs     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);
ALTER TABLE tokens ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN public_client INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tokens_user ON tokens (user_id, session_id) WHERE user_id <> '';
ALTER TABLE user_security ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0;
